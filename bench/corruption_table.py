"""Corruptions beside the official scripts' on the same images: differences, statistics, a contact sheet.

    python bench/corruption_table.py build/release/bench/bench_corruptions ROBUSTNESS_CHECKOUT FROST_FOLDER
        --cifar test_batch.bin.xz --imagenette FOLDER_OF_JPEG [--markdown FILE] [--sheet FILE.png] [--count 100] [--large 20]

The official functions come from ImageNet-C/create_c/make_imagenet_c.py and make_cifar_c.py of a checkout of
hendrycks/robustness, through tests/golden/official_corruptions.py.

Two runs of the official functions: one draws from this library's random numbers (tests/golden/philox.py), in the order in
which the script asks for them, so that random kinds can be compared pixel by pixel as well; another, for statistics, draws
from NumPy's.
"""

import argparse
import lzma
import pathlib
import subprocess
import sys
import time

import cv2
import numpy as np
import PIL
import scipy
import skimage
from PIL import Image, ImageDraw

from roofline import processor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"))
from official_corruptions import KINDS, SEED, corrupted_officially, official, stream_of

FIXED = {"defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression", "gaussian_blur", "saturate"}
UNLIKE = {"impulse_noise"}  # scikit-image draws from a generator of its own


class program:
    def __init__(self, path, frost):
        self.process = subprocess.Popen([path, frost], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def corrupted(self, kind, scale, severity, images):
        count, height, width, _ = images.shape
        self.process.stdin.write(f"{kind} {scale} {severity} {SEED} {count} {height} {width}\n".encode() + images.tobytes())
        self.process.stdin.flush()
        milliseconds = float(self.process.stdout.readline())
        return np.frombuffer(self.process.stdout.read(images.nbytes), np.uint8).reshape(images.shape), milliseconds


def cifar(path, count):
    records = np.frombuffer(lzma.open(path).read(count * 3073), np.uint8).reshape(count, 3073)[:, 1:]
    return np.ascontiguousarray(records.reshape(count, 3, 32, 32).transpose(0, 2, 3, 1))


def imagenette(folder, count):
    """Every n-th image, 224 x 224, which is the one size that the script takes."""
    paths = sorted(pathlib.Path(folder).rglob("*.JPEG"))
    paths = paths[::len(paths) // count][:count]
    return np.stack([np.asarray(Image.open(p).convert("RGB").resize((224, 224), Image.BICUBIC)) for p in paths])


def change(results, images):
    d = results.astype(int) - images
    return f"{d.mean():+.2f} ± {d.std():.2f}"


def table(space, peer, scale, kinds, images, cells):
    rows = []
    for kind in kinds:
        differences, largest, ours, theirs, numpys, times = [], 0, [], [], [], []
        for severity in range(1, 6):
            mine, took = peer.corrupted(kind, scale, severity, images)
            start = time.perf_counter()
            official_ones = corrupted_officially(space, kind, severity, images, lambda i: stream_of(kind, severity, i))
            times.append((took, 1e3 * (time.perf_counter() - start) / len(images)))
            difference = np.abs(mine.astype(int) - official_ones)
            differences.append(difference.mean((1, 2, 3)))
            largest = max(largest, difference.max())
            ours.append(mine)
            theirs.append(official_ones)
            if kind not in FIXED:
                numpys.append(corrupted_officially(space, kind, severity, images, lambda i: np.random))
            if severity in (1, 3, 5):
                cells.append((f"{kind} {severity}", mine[severity], official_ones[severity]))
        same = (" ".join(f"{d.mean():.3f}" for d in differences)
                + f" | {np.concatenate(differences).std():.3f} | {largest}")
        if kind in UNLIKE:
            same = "— | — | —"
        everything = np.concatenate([images] * 5)
        statistics = [change(np.concatenate(r), everything) for r in (ours, numpys if numpys else theirs)]
        speed = [sum(column) / 5 for column in zip(*times)]
        rows.append(f"| {kind} | {same} | {statistics[0]} | {statistics[1]} | {speed[0]:.2f} | {speed[1]:.1f} |")
        print(rows[-1], flush=True)
    return rows


def sheet(cells, path):
    columns, side, label, gap = 12, 112, 13, 4
    rows = -(-len(cells) // (columns // 2))
    page = Image.new("RGB", (columns * (side + gap), rows * (side + label + gap)), "white")
    draw = ImageDraw.Draw(page)
    for i, (name, ours, theirs) in enumerate(cells):
        x, y = (i % (columns // 2)) * 2 * (side + gap), (i // (columns // 2)) * (side + label + gap)
        draw.text((x, y), name, fill="black")
        for k, pixels in enumerate((ours, theirs)):
            page.paste(Image.fromarray(pixels).resize((side, side)), (x + k * (side + gap // 2), y + label))
    page.save(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="bench_corruptions")
    parser.add_argument("robustness", type=pathlib.Path, help="checkout of hendrycks/robustness")
    parser.add_argument("frost")
    parser.add_argument("--cifar")
    parser.add_argument("--imagenette")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--count", type=int, default=100, help="images of CIFAR-10")
    parser.add_argument("--large", type=int, default=20, help="images of Imagenette")
    parser.add_argument("--markdown", type=pathlib.Path)
    parser.add_argument("--sheet", type=pathlib.Path)
    arguments = parser.parse_args()
    np.random.seed(SEED)
    np.seterr(invalid="ignore", divide="ignore")
    peer, sections, cells = program(arguments.program, arguments.frost), [], []
    for scale, script, load, source, count in (
            ("cifar", "make_cifar_c.py", cifar, arguments.cifar, arguments.count),
            ("imagenet", "make_imagenet_c.py", imagenette, arguments.imagenette, arguments.large)):
        if not source:
            continue
        images = load(source, count)
        space = official(arguments.robustness, scale, arguments.frost)
        rows = table(space, peer, scale, arguments.kinds, images, cells)
        what = "test images of CIFAR-10, 32 x 32" if scale == "cifar" else "images of Imagenette, enlarged to 224 x 224"
        sections.append(f"## {script}: {len(images)} {what}\n\n"
                        "| corruption | mean abs. difference, severity 1 to 5 | its deviation over images | largest | change, ours | change, the script | ours, ms | script, ms |\n"
                        "|---|---|---:|---:|---:|---:|---:|---:|\n" + "\n".join(rows) + "\n")
    if arguments.markdown:
        arguments.markdown.write_text(
            "# Corruptions beside the official scripts\n\n"
            f"{processor()}, one core. hendrycks/robustness with ImageMagick, OpenCV {cv2.__version__}, scikit-image {skimage.__version__}, "
            f"SciPy {scipy.__version__}, Pillow {PIL.__version__}. Written by\n\n"
            "    python bench/corruption_table.py build/release/bench/bench_corruptions ROBUSTNESS_CHECKOUT FROST_FOLDER \\\n"
            "        --cifar test_batch.bin.xz --imagenette imagenette128/val --markdown bench/results/corruptions.md\n\n"
            "Differences in grey levels between 8-bit results on the same image. For random kinds the script draws from this library's\n"
            "random numbers, so that both sides see the same noise; impulse_noise is left out, because scikit-image brings a generator of\n"
            "its own. A change is the mean ± standard deviation of result minus image over all values, images and severities; the script's\n"
            "random kinds draw from NumPy there. Times are single runs on a machine shared with other work; the script's hold the making of our\n"
            "random numbers in Python (much of shot_noise and glass_blur) and reading a frost picture for each image.\n\n"
            "What is left are last bits before truncation: OpenCV and SciPy sum in double or in another order. In glass_blur such a bit can be copied\n"
            "about, and in spatter move an edge.\n\n" + "\n".join(sections))
    if arguments.sheet:
        sheet(cells, arguments.sheet)


if __name__ == "__main__":
    main()
