"""Writes efficientnet_layers.safetensors: what EfficientNet needs beyond layers.py, by PyTorch in float64 from float32."""

import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

import data

golden = {}


def put(name, **tensors):
    for key, value in tensors.items():
        value = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        golden[f"{name}.{key}"] = np.ascontiguousarray(value, np.float32)


def make(name, *shape, low=-1.0, high=1.0):
    value = data.stream(f"efficientnet_layers/{name}").uniform(int(np.prod(shape)), low, high).reshape(shape)
    return torch.from_numpy(value).double().requires_grad_()


def gradients(name, y, **inputs):
    dy = make(f"{name}/dy", *y.shape).detach()
    grads = torch.autograd.grad(y, list(inputs.values()), dy)
    put(name, **inputs, y=y, dy=dy, **{f"d{k}": g for k, g in zip(inputs, grads)})


def same(extent, kernel, stride):
    """Zeros before and after, by TensorFlow's documentation of "SAME"."""
    total = max(kernel - stride if extent % stride == 0 else kernel - extent % stride, 0)
    return total // 2, total - total // 2


for case, (n, i, o, k, s, g, h, w) in {
        "stem": (2, 3, 9, 3, 2, 1, 8, 11), "dense5": (2, 10, 12, 5, 2, 1, 7, 6), "point": (2, 9, 5, 1, 2, 1, 6, 5),
        "depthwise3": (2, 20, 20, 3, 2, 20, 10, 7), "depthwise5": (2, 9, 9, 5, 2, 9, 14, 9),
        "depthwise5_stride1": (1, 8, 8, 5, 1, 8, 4, 3), "depthwise5_tiny": (2, 3, 3, 5, 2, 3, 1, 2)}.items():
    x, weight = make(f"{case}/x", n, i, h, w), make(f"{case}/w", o, i // g, k, k)
    top, bottom = same(h, k, s)
    left, right = same(w, k, s)
    put(f"same.{case}", spec=[i, o, k, s, -1, g])
    gradients(f"same.{case}", F.conv2d(F.pad(x, (left, right, top, bottom)), weight, None, s, 0, 1, g), x=x, weight=weight)

x = make("relu6", 2, 9, 3, 3, low=-4, high=10)
x = torch.where(torch.arange(x.numel()).reshape(x.shape) % 5 == 0, x.detach().clamp(0, 6).round() // 3 * 3, x.detach())
x.requires_grad_()  # with some exact 0, 3 and 6
gradients("relu6", F.relu6(x), x=x)

save_file(golden, pathlib.Path(__file__).with_name("efficientnet_layers.safetensors"))
