"""The convolutions of bench/depthwise.cpp in PyTorch, one thread: best of several runs, GFLOP/s."""

import time

import torch
import torch.nn.functional as F

torch.set_num_threads(1)


def best(f):
    f()
    least = 1e9
    for _ in range(15):
        start = time.perf_counter()
        f()
        least = min(least, time.perf_counter() - start)
    return least


for channels, extent, kernel, stride in [(96, 112, 3, 1), (96, 112, 3, 2), (240, 28, 5, 1), (672, 14, 5, 2), (1152, 7, 3, 1)]:
    for layout in (torch.contiguous_format, torch.channels_last):
        x = torch.rand(8, channels, extent, extent).to(memory_format=layout)
        w = torch.rand(channels, 1, kernel, kernel)
        y = F.conv2d(x, w, None, stride, kernel // 2, 1, channels)
        flops = 2 * y.numel() * kernel * kernel
        dy = torch.rand_like(y)

        def backward(*mask):
            return torch.ops.aten.convolution_backward(dy, x, w, None, [stride] * 2, [kernel // 2] * 2, [1, 1], False,
                                                       [0, 0], channels, [*mask, False])
        with torch.no_grad():
            rates = [1e-9 * flops / best(f) for f in (
                lambda: F.conv2d(x, w, None, stride, kernel // 2, 1, channels), lambda: backward(True, False),
                lambda: backward(False, True))]
        print(f"{channels}x{extent}/k{kernel}s{stride} {str(layout)[6:]}: forward {rates[0]:.1f}, "
              f"backward_input {rates[1]:.1f}, backward_weight {rates[2]:.1f} GFLOP/s", flush=True)
