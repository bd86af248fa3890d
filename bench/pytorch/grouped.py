"""The convolutions of bench/grouped.cpp in PyTorch, one thread: median of several runs in microseconds, GFLOP/s."""

import statistics
import time

import torch
import torch.nn.functional as F

torch.set_num_threads(1)


def microseconds(f):
    f()
    runs = []
    while len(runs) < 9:
        start = time.perf_counter()
        f()
        runs.append(time.perf_counter() - start)
    return 1e6 * statistics.median(runs)


for channels, extent, stride in [(128, 56, 1), (256, 56, 2), (256, 28, 1), (512, 28, 2), (512, 14, 1), (1024, 14, 2), (1024, 7, 1)]:
    for layout in (torch.contiguous_format, torch.channels_last):
        x = torch.rand(8, channels, extent, extent).to(memory_format=layout)
        w = torch.rand(channels, channels // 32, 3, 3)
        y = F.conv2d(x, w, None, stride, 1, 1, 32)
        flops = 2 * y.numel() * channels // 32 * 9
        dy = torch.rand_like(y)

        def backward(*mask):
            return torch.ops.aten.convolution_backward(dy, x, w, None, [stride] * 2, [1, 1], [1, 1], False, [0, 0], 32,
                                                       [*mask, False])
        with torch.no_grad():
            times = [microseconds(f) for f in (lambda: F.conv2d(x, w, None, stride, 1, 1, 32),
                                               lambda: backward(True, False), lambda: backward(False, True))]
        print(f"{channels}x{extent}/s{stride} {str(layout)[6:]}: " + ", ".join(
            f"{name} {t:.0f} us {1e-3 * flops / t:.1f} GFLOP/s"
            for name, t in zip(("forward", "backward_input", "backward_weight"), times)), flush=True)
