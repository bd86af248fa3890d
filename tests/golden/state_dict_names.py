"""Writes state_dict_names.json: names and shapes of state dicts, from torchvision, timm and this folder's CIFAR ResNet."""

import hashlib
import json
import pathlib

import timm
import torchvision
from timm.layers import convert_splitbn_model

import networks


def entries(net):
    return [[n, list(t.shape)] for n, t in net.state_dict().items()]


def digest(names):
    return hashlib.sha256("".join(n + "\n" for n in names).encode()).hexdigest()


out, whole = {}, ("resnet18", "resnet50", "resnet20")
nets = {f"resnet{d}": getattr(torchvision.models, f"resnet{d}")() for d in (18, 34, 50, 101, 152)}
nets |= {f"resnet{d}": networks.cifar_resnet(d, domains=1) for d in (20, 32, 44, 56, 110)}
for name, net in nets.items():
    listing = entries(net)
    out[name] = {"parameters": sum(p.numel() for p in net.parameters()), "tensors": len(listing),
                 "names_sha256": digest(n for n, _ in listing)}
    if name in whole:
        out[name]["state_dict"] = listing
split = convert_splitbn_model(timm.create_model("resnet18"), num_splits=2)
out["timm_resnet18_split2"] = {"auxiliary": [n for n in split.state_dict() if "aux_bn" in n],
                               "names_sha256": digest(split.state_dict())}
text = json.dumps(out, separators=(",", ":")).replace('"resnet', '\n"resnet').replace('"timm', '\n"timm')
pathlib.Path(__file__).with_name("state_dict_names.json").write_text(text + "\n")
for name, entry in out.items():
    print(name, {k: v for k, v in entry.items() if not isinstance(v, list)})
