"""Writes efficientnet_names.json: the tensor names of EfficientNet-B0 and B1 in timm, torchvision and
EfficientNet-PyTorch (lukemelas), one list a library, entry by entry the same tensor. Needs efficientnet_pytorch."""

import json
import pathlib

import efficientnet_pytorch
import timm
import torchvision


def entries(net):
    return [(n, tuple(t.shape)) for n, t in net.state_dict().items() if not n.endswith("num_batches_tracked")]


out = {}
for size in ("b0", "b1"):
    lists = {"timm": entries(timm.create_model(f"efficientnet_{size}")),
             "torchvision": entries(getattr(torchvision.models, f"efficientnet_{size}")()),
             "lukemelas": entries(efficientnet_pytorch.EfficientNet.from_name(f"efficientnet-{size}"))}
    shapes = [[shape for _, shape in entry] for entry in lists.values()]
    assert shapes[0] == shapes[1] == shapes[2], "the libraries list their tensors in different orders"
    out[size] = {library: [name for name, _ in entry] for library, entry in lists.items()}
text = json.dumps(out, separators=(",", ":")).replace('"b', '\n"b').replace('"timm', '\n"timm')
text = text.replace('"torchvision', '\n"torchvision').replace('"lukemelas', '\n"lukemelas')
pathlib.Path(__file__).with_name("efficientnet_names.json").write_text(text + "\n")
