"""Reads images from folders with torchvision and Pillow as bench/data.cpp does, on one core; prints microseconds an image."""

import argparse
import pathlib
import time

import torch
from PIL import Image
from torchvision import transforms

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=pathlib.Path, help="one folder of images a class")
parser.add_argument("--seconds", type=float, default=3, help="for each row")
arguments = parser.parse_args()
torch.set_num_threads(1)

paths = sorted(p for p in arguments.folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))[::10]


def load(path):
    with open(path, "rb") as file:
        return Image.open(file).convert("RGB")


def row(name, read):
    for path in paths:
        read(path)
    count, begin = 0, time.process_time()
    while time.process_time() - begin < arguments.seconds:
        read(paths[count % len(paths)])
        count += 1
    each = (time.process_time() - begin) / count
    print(f"{name:24} {each * 1e6:8.0f} us {1 / each:8.0f} images/s")


row("decode", load)
for size in (128, 224):
    for name in ("bilinear", "bicubic"):
        kind = transforms.InterpolationMode(name)
        train = transforms.Compose([transforms.RandomResizedCrop(size, interpolation=kind),
                                    transforms.RandomHorizontalFlip(), transforms.ToTensor()])
        test = transforms.Compose([transforms.Resize(int(size / 0.875), interpolation=kind),
                                   transforms.CenterCrop(size), transforms.ToTensor()])
        row(f"train/{size}/{name}", lambda path: train(load(path)))
        row(f"test/{size}/{name}", lambda path: test(load(path)))
