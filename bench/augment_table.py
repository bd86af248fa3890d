"""Augmentations beside Pillow's and torchvision's on the same images and parameters: differences, speed, a contact sheet.

    python bench/augment_table.py build/release/bench/bench_augment IMAGE... [--markdown FILE] [--sheet FILE.png] [--seconds 0.3]

The images are decoded and cut to 128 x 128 here; both sides get the same bytes. Needs torchvision and Pillow.
"""

import argparse
import pathlib
import statistics
import subprocess
import time

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image, ImageDraw
from torchvision import transforms
from torchvision.transforms import InterpolationMode, functional
from torchvision.transforms.autoaugment import _apply_op

from compare import processor

SIZE = 128
FILTERS = {"nearest": InterpolationMode.NEAREST, "bilinear": InterpolationMode.BILINEAR}


def moved(name):
    return lambda image, p, f: _apply_op(image, name, p, FILTERS[f], None)


OPERATIONS = {
    "autocontrast": (lambda i, p, f: functional.autocontrast(i), [0]),
    "equalize": (lambda i, p, f: functional.equalize(i), [0]),
    "invert": (lambda i, p, f: functional.invert(i), [0]),
    "posterize": (lambda i, p, f: functional.posterize(i, int(p)), [4, 6]),
    "solarize": (lambda i, p, f: functional.solarize(i, p), [85, 170]),
    "brightness": (lambda i, p, f: functional.adjust_brightness(i, p), [0.5, 1.9]),
    "contrast": (lambda i, p, f: functional.adjust_contrast(i, p), [0.5, 1.9]),
    "color": (lambda i, p, f: functional.adjust_saturation(i, p), [0.1, 1.9]),
    "sharpness": (lambda i, p, f: functional.adjust_sharpness(i, p), [0.1, 1.9]),
    "hue": (lambda i, p, f: functional.adjust_hue(i, p), [-0.1, 0.4]),
    "rotate": (lambda i, p, f: functional.rotate(i, p, FILTERS[f]), [30, -13.3]),
    "shear_x": (moved("ShearX"), [0.3, -0.2]),
    "shear_y": (moved("ShearY"), [0.3, -0.2]),
    "translate_x": (moved("TranslateX"), [58, -20]),
    "translate_y": (moved("TranslateY"), [58, -20]),
}
MOVES = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
WHOLE = {
    "auto_augment_imagenet": transforms.AutoAugment(transforms.AutoAugmentPolicy.IMAGENET),
    "auto_augment_cifar10": transforms.AutoAugment(transforms.AutoAugmentPolicy.CIFAR10),
    "rand_augment": transforms.RandAugment(),
    "color_jitter": transforms.ColorJitter(0.4, 0.4, 0.4, 0.1),
}


class program:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def request(self, what, name, parameter, mode, images, seconds=0.0):
        height, width, _ = images[0].shape
        self.process.stdin.write(f"{what} {name} {parameter!r} {mode} {seconds} {len(images)} {height} {width}\n".encode())
        self.process.stdin.write(b"".join(image.tobytes() for image in images))
        self.process.stdin.flush()

    def apply(self, name, parameter, mode, images):
        self.request("apply", name, parameter, mode, images)
        return [np.frombuffer(self.process.stdout.read(image.size), np.uint8).reshape(image.shape) for image in images]

    def microseconds(self, name, parameter, mode, images, seconds):
        self.request("time", name, parameter, mode, images, seconds)
        return float(self.process.stdout.readline())


def microseconds(change, images, seconds):
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        for image in images:
            change(image)
        done += len(images)
    return 1e6 * (time.perf_counter() - start) / done


def alternately(ours, theirs, rounds):
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*pairs)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="bench_augment")
    parser.add_argument("images", nargs="+")
    parser.add_argument("--markdown", type=pathlib.Path)
    parser.add_argument("--sheet", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=0.3, help="how long one measurement lasts")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pictures = [transforms.CenterCrop(SIZE)(transforms.Resize(SIZE)(Image.open(path).convert("RGB")))
                for path in arguments.images]
    raw = [np.asarray(picture) for picture in pictures]
    peer, rows, cells = program(arguments.program), [], []
    for name, (apply, parameters) in OPERATIONS.items():
        for mode in FILTERS if name in MOVES else ("nearest",):
            for parameter in parameters:
                parameter = float(np.float32(parameter))
                ours = peer.apply(name, parameter, mode, raw)
                theirs = [np.asarray(apply(picture, parameter, mode)) for picture in pictures]
                difference = np.abs(np.stack(ours).astype(int) - np.stack(theirs).astype(int))
                times = alternately(lambda: peer.microseconds(name, parameter, mode, raw, arguments.seconds),
                                    lambda: microseconds(lambda i: apply(i, parameter, mode), pictures, arguments.seconds),
                                    arguments.rounds)
                shown = "" if parameters == [0] else f"{parameter:.4g}" + (f", {mode}" if name in MOVES else "")
                rows.append(f"| {name} | {shown} | {difference.mean():.4f} | {difference.max()} | {times[0]:.0f} | {times[1]:.0f} |")
                print(rows[-1], flush=True)
                which = len(cells) % len(raw)
                cells.append((f"{name} {shown}", ours[which], theirs[which]))
    speeds = []
    for name, transform in WHOLE.items():
        times = alternately(lambda: peer.microseconds(name, 0.0, "nearest", raw, 3 * arguments.seconds),
                            lambda: microseconds(transform, pictures, 3 * arguments.seconds), arguments.rounds)
        speeds.append(f"| {name} | {1e6 / times[0]:,.0f} | {1e6 / times[1]:,.0f} | {times[1] / times[0]:.1f} |")
        print(speeds[-1], flush=True)
    if arguments.markdown:
        arguments.markdown.write_text(
            "# Augmentations beside Pillow and torchvision\n\n"
            f"{processor()}, one core. Pillow {PIL.__version__}, torchvision {torchvision.__version__.split('+')[0]} on PIL images. "
            f"{len(raw)} images of Imagenette, {SIZE} x {SIZE}, RGB; both sides get the same bytes and parameters "
            "(`bench/augment_table.py`).\n\n"
            "Differences in steps of 255, over all bytes; times in microseconds an image, medians of alternate runs (ours copies the\n"
            "image first, torchvision makes a new one). They belong to the machine and its load; ratios say more.\n\n"
            "| operation | parameter | mean abs. difference | largest | ours, us | torchvision, us |\n|---|---|---:|---:|---:|---:|\n"
            + "\n".join(rows)
            + "\n\nWhole augmentations with their default settings (jitter 0.4, 0.4, 0.4, 0.1), each drawing for itself, images a second and core:\n\n"
            "| augmentation | ours | torchvision | ratio |\n|---|---:|---:|---:|\n" + "\n".join(speeds) + "\n")
    if arguments.sheet:
        columns, gap, label = 10, 4, 14
        width, height = SIZE + gap, label + 2 * SIZE + 3 * gap
        sheet = Image.new("RGB", (columns * width, -(-len(cells) // columns) * height), "white")
        draw = ImageDraw.Draw(sheet)
        for i, (text, ours, theirs) in enumerate(cells):
            x, y = i % columns * width, i // columns * height
            draw.text((x, y), text, fill="black")
            sheet.paste(Image.fromarray(ours), (x, y + label))
            sheet.paste(Image.fromarray(theirs), (x, y + label + SIZE + gap))
        sheet.save(arguments.sheet)


if __name__ == "__main__":
    main()
