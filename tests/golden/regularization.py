"""Writes regularization.safetensors: cross entropy against soft labels, and stochastic depth's rates. Contents: README.md.

Inputs are float32; results are computed in float64 and stored as float32."""

import pathlib

import numpy as np
import timm
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

import data

golden = {}
logits = torch.from_numpy(data.stream("regularization/logits").uniform(60, -8, 8).reshape(6, 10)).double().requires_grad_()
shares = torch.zeros(6, 10, dtype=torch.float64)  # a mixture of two classes in four rows, of one, of all
for i, (a, b, share) in enumerate([(0, 1, 0.75), (9, 3, 0.5), (4, 2, 0.125), (5, 6, 0.9375), (7, 7, 0.5)]):
    shares[i, a] += share
    shares[i, b] += 1 - share
shares[5] = torch.arange(1, 11) / 55.0
shares = shares.float().double()
golden["logits"], golden["shares"] = logits.detach().numpy(), shares.numpy()
for smoothing in (0.0, 0.1):
    loss = F.cross_entropy(logits, shares, label_smoothing=smoothing)
    golden[f"cross_entropy.{smoothing}.loss"] = np.array([loss.item()])
    golden[f"cross_entropy.{smoothing}.dlogits"] = torch.autograd.grad(loss, logits)[0].numpy()

network = timm.create_model("efficientnet_b0", drop_path_rate=0.2)
golden["drop_path.efficientnet_b0"] = np.array(
    [getattr(block.drop_path, "drop_prob", 0.0) if block.has_skip else -1 for stage in network.blocks for block in stage])
print(golden["drop_path.efficientnet_b0"])
save_file({k: np.ascontiguousarray(v, np.float32) for k, v in golden.items()},
          pathlib.Path(__file__).with_name("regularization.safetensors"))
