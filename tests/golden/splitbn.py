"""Writes splitbn.safetensors: timm's ResNet-18 with split batch norms (convert_splitbn_model, 3 splits) in training.

Float64 logits of 12 images (4 a split) and, as summaries, every running statistic after that pass. Weights and
statistics are generated (data.parameter), the images are uniform numbers of stream "split/images", 12 x 64 x 64 x 3."""

import pathlib

import numpy as np
import timm
import torch
from safetensors.numpy import save_file
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.layers import convert_splitbn_model

import data

BATCH, EXTENT, SPLITS = 12, 64, 3


def network():
    return convert_splitbn_model(timm.create_model("resnet18", num_classes=10), SPLITS)


def generated():
    return {n: torch.from_numpy(data.parameter(n, tuple(t.shape))) for n, t in network().state_dict().items()
            if not n.endswith("num_batches_tracked")}


def images(dtype):
    """Normalised, as timm's networks want them: N x C x H x W."""
    x = data.stream("split/images").uniform(BATCH * EXTENT * EXTENT * 3).reshape(BATCH, EXTENT, EXTENT, 3)
    mean, std = (torch.tensor(v, dtype=torch.float32).to(dtype) for v in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    return ((torch.from_numpy(x).to(dtype) - mean) / std).permute(0, 3, 1, 2).contiguous()


def main():
    net = network()
    missing, unexpected = net.load_state_dict(generated(), strict=False)
    assert not unexpected and all(n.endswith("num_batches_tracked") for n in missing), (missing, unexpected)
    net = net.double().train()
    with torch.no_grad():
        out = {"logits": net(images(torch.float64)).numpy().astype(np.float32)}
    for name, tensor in net.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            out["after." + name] = data.summary(name, tensor.numpy()).astype(np.float32)
    save_file(out, pathlib.Path(__file__).with_name("splitbn.safetensors"))


if __name__ == "__main__":
    main()
