"""Writes images.safetensors: what Pillow and torchvision make of small image files and images. Contents: README.md."""

import io
import pathlib
import struct
import unittest.mock
import zlib

import numpy as np
import torch
from PIL import Image, ImageOps
from safetensors.numpy import save_file
from torchvision import transforms

import data

golden = {}
FILTERS = {"box": Image.BOX, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}


def store(key, image):
    golden[key] = np.array(image, np.uint8)


def smooth(name, height, width, channels):
    """Random 8 x 8 cells, blended, with a little grain: JPEG and filters meet edges, clipping and noise."""
    stream = data.stream(f"images/{name}")
    rows, columns = height // 8 + 2, width // 8 + 2
    grid = (stream.next(rows * columns * channels) >> np.uint32(24)).astype(np.int64).reshape(rows, columns, channels)
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    gy, gx, fy, fx = y // 8, x // 8, (y % 8)[..., None], (x % 8)[..., None]
    blend = ((8 - fy) * ((8 - fx) * grid[gy, gx] + fx * grid[gy, gx + 1])
             + fy * ((8 - fx) * grid[gy + 1, gx] + fx * grid[gy + 1, gx + 1])) // 64
    grain = (stream.next(blend.size) >> np.uint32(26)).astype(np.int64).reshape(blend.shape) - 32
    return np.clip(2 * blend - 128 + grain, 0, 255).astype(np.uint8)


def png(color_type, depth, height, width, palette=b"", transparency=b""):
    """A PNG file of random content: color type 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color_type]
    row = (width * samples * depth + 7) // 8
    content = data.stream(f"images/png/{color_type}/{depth}").bits(height * row).astype(np.uint8).reshape(height, row)
    if color_type == 3 and depth == 8:
        content %= len(palette) // 3
    raw = b"".join(b"\0" + line.tobytes() for line in content)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0))]
    chunks += [(kind, body) for kind, body in ((b"PLTE", palette), (b"tRNS", transparency)) if body]
    chunks += [(b"IDAT", zlib.compress(raw, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks)


def decoded(key, content):
    """A file's bytes, and its pixels as Pillow gives them, upright."""
    golden[f"{key}.file"] = np.frombuffer(content, np.uint8)
    store(f"{key}.rgb", ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB"))


def jpeg(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


rgb = Image.fromarray(smooth("rgb", 37, 53, 3))
grey = Image.fromarray(smooth("grey", 37, 53, 1)[..., 0])
store("rgb", rgb)
store("grey", grey)

decoded("jpeg.420", jpeg(rgb, quality=90))
decoded("jpeg.444_progressive", jpeg(rgb, quality=80, subsampling=0, progressive=True))
decoded("jpeg.grey", jpeg(grey, quality=85))
decoded("jpeg.cmyk", jpeg(Image.fromarray(smooth("cmyk", 19, 23, 4), "CMYK"), quality=90))
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded(f"jpeg.exif{orientation}", jpeg(Image.fromarray(smooth("exif", 9, 14, 3)), quality=90, exif=exif))

palette = data.stream("images/palette").bits(200 * 3).astype(np.uint8).tobytes()
for color_type, depths in ((0, (1, 2, 4, 8)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16))):
    for depth in depths:
        colours = palette[:3 * min(2 ** depth, 200)] if color_type == 3 else b""
        decoded(f"png.{color_type}_{depth}", png(color_type, depth, 5, 11, colours))
decoded("png.3_8_transparent", png(3, 8, 5, 11, palette, bytes(range(0, 200))))
decoded("png.2_8_transparent", png(2, 8, 5, 11, transparency=struct.pack(">HHH", 1, 2, 3)))

for name, kind in FILTERS.items():
    for height, width in ((20, 24), (45, 60)):
        store(f"resize.{name}.{height}x{width}", rgb.resize((width, height), kind))
    store(f"resize_box.{name}.16x18", rgb.resize((18, 16), kind, box=(3.25, 2.5, 40.75, 30.1)))
store("resize.bicubic.37x24", rgb.resize((24, 37), Image.BICUBIC))
store("resize.bilinear.23x53", rgb.resize((53, 23), Image.BILINEAR))
store("resize.lanczos.1x1", rgb.resize((1, 1), Image.LANCZOS))
store("resize_grey.bicubic.20x24", grey.resize((24, 20), Image.BICUBIC))

for size, fraction in ((24, 0.875), (7, 0.875), (41, 0.95), (8, 1.0)):
    evaluation = transforms.Compose([
        transforms.Resize(int(size / fraction), interpolation=transforms.InterpolationMode.BICUBIC),
        transforms.CenterCrop(size)])
    store(f"center_crop.{size}.wide", evaluation(rgb))
    store(f"center_crop.{size}.tall", evaluation(rgb.transpose(Image.TRANSPOSE)))


class draws:
    """Stands in for torch in RandomResizedCrop.get_params: the same calls, with our random numbers."""
    tensor, log, exp = torch.tensor, torch.log, torch.exp

    def __init__(self, stream):
        self.stream = stream

    def empty(self, _):
        return self

    def uniform_(self, low, high):
        return torch.tensor(self.stream.uniform(1, float(low), float(high)))

    def randint(self, low, high, size):
        return torch.tensor(low + self.stream.below(1, high - low))


def regions(key, height, width, scale, ratio, count):
    """`count` calls on one stream: top, left, height, width."""
    image = Image.new("RGB", (width, height))
    with unittest.mock.patch("torchvision.transforms.transforms.torch", draws(data.stream("images/crop"))):
        found = [transforms.RandomResizedCrop.get_params(image, scale, ratio) for _ in range(count)]
    golden[f"regions.{key}"] = np.array(found, np.float32)
    return found


first = regions("rgb", 37, 53, (0.08, 1.0), (3 / 4, 4 / 3), 60)[0]
regions("flat", 20, 200, (0.5, 1.0), (3 / 4, 4 / 3), 10)  # always the fallback
regions("narrow", 200, 20, (0.5, 1.0), (3 / 4, 4 / 3), 10)
regions("square", 64, 65, (0.9, 1.0), (3 / 4, 4 / 3), 300)  # most tries fail, up to ten
store("random_resized_crop.0", transforms.functional.resized_crop(
    rgb, *first, [16, 16], transforms.InterpolationMode.BILINEAR))



def holes(key, height, width, scale, ratio, count):
    """RandomErasing's `count` calls on one stream: top, left, height, width; -1 where no hole is found."""
    image = torch.zeros(3, height, width)
    with unittest.mock.patch("torchvision.transforms.transforms.torch", draws(data.stream("images/erase"))):
        found = [transforms.RandomErasing.get_params(image, scale, ratio, [0.0]) for _ in range(count)]
    golden[f"holes.{key}"] = np.array([(-1,) * 4 if v is image else at for *at, v in found], np.float32)


holes("default", 37, 53, (0.02, 0.33), (0.3, 3.3), 60)
holes("small", 8, 8, (0.02, 0.33), (0.3, 3.3), 60)
holes("flat", 8, 300, (0.3, 0.9), (0.3, 3.3), 60)  # mostly none
path = pathlib.Path(__file__).parent / "images.safetensors"
save_file(dict(sorted(golden.items())), path)
print(path.stat().st_size, "bytes,", len(golden), "tensors")
