"""Writes augment.safetensors: what Pillow and torchvision make of small images, and torchvision's policies. Contents: README.md."""

import pathlib

import numpy as np
from PIL import Image
from safetensors.numpy import save_file
from torchvision.transforms import InterpolationMode, functional
from torchvision.transforms.autoaugment import AutoAugment, AutoAugmentPolicy, RandAugment, _apply_op

import data
from philox import fnv1a_bytes

# The order of advprop::augment_op.
OPS = ["Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness",
       "Posterize", "Solarize", "AutoContrast", "Equalize", "Invert"]
FILTERS = {"nearest": InterpolationMode.NEAREST, "bilinear": InterpolationMode.BILINEAR}
FILL = (200, 7, 90)
golden = {}


def random_image(name, height, width, channels):
    """A slope of random direction in each channel with strong grain; values 13 .. 243, so that contrast can be stretched."""
    noise = data.stream(f"augment/{name}").bits(height * width * channels) >> np.uint32(25)
    y, x, c = np.indices((height, width, channels))
    value = np.abs(7 * x * (c + 1) - 5 * y * (3 - c)) % 104 + noise.astype(np.int64).reshape(y.shape) + 13
    return Image.fromarray(value.astype(np.uint8).squeeze(2) if channels == 1 else value.astype(np.uint8))


IMAGES = {name: random_image(name, *size) for name, size in {
    "rgb": (33, 47, 3), "grey": (33, 47, 1), "square": (16, 16, 3), "bright": (30, 40, 3), "flat": (2, 5, 3),
    "pixel": (1, 1, 3)}.items()}
IMAGES["bright"] = IMAGES["bright"].point(lambda v: min(v + 92, 240))  # the highest value is the most frequent


def fingerprint(image):
    return np.frombuffer(fnv1a_bytes(np.asarray(image).tobytes()).to_bytes(8, "little"), np.uint8)


def fill_of(image):
    return FILL[:len(image.getbands())]


# Single operations.
FACTORS = [0.0, 0.1, 0.3, 0.55, 0.9, 1.0, 1.1, 1.37, 1.9, 3.0]
SLOPES = [-0.3, -0.1, 0.0, 0.05, 0.2, 0.3, 0.5, 1.0]
cases = {
    "autocontrast": (lambda i, p, f: functional.autocontrast(i), [0]),
    "equalize": (lambda i, p, f: functional.equalize(i), [0]),
    "invert": (lambda i, p, f: functional.invert(i), [0]),
    "posterize": (lambda i, p, f: functional.posterize(i, int(p)), range(1, 9)),
    "solarize": (lambda i, p, f: functional.solarize(i, p), [0, 1, 85, 127.5, 128, 141.7, 255, 256]),
    "brightness": (lambda i, p, f: functional.adjust_brightness(i, p), FACTORS),
    "contrast": (lambda i, p, f: functional.adjust_contrast(i, p), FACTORS),
    "color": (lambda i, p, f: functional.adjust_saturation(i, p), FACTORS),
    "sharpness": (lambda i, p, f: functional.adjust_sharpness(i, p), FACTORS),
    "hue": (lambda i, p, f: functional.adjust_hue(i, p), [-0.5, -0.3, -0.1, 0.0, 0.003, 0.02, 0.25, 0.4, 0.5]),
    "rotate": (lambda i, p, f: functional.rotate(i, p, f, fill=fill_of(i)),
               [0, 3.3333332538604736, -10, 30, -30, 45, 90, 123.456, 180, 270, -360, 725]),
    "shear_x": (lambda i, p, f: _apply_op(i, "ShearX", p, f, fill_of(i)), SLOPES),
    "shear_y": (lambda i, p, f: _apply_op(i, "ShearY", p, f, fill_of(i)), SLOPES),
    "translate_x": (lambda i, p, f: _apply_op(i, "TranslateX", p, f, fill_of(i)), [-60, -5, 0, 1, 14, 46, 47]),
    "translate_y": (lambda i, p, f: _apply_op(i, "TranslateY", p, f, fill_of(i)), [-60, -5, 0, 1, 14, 32, 33]),
}
MOVES = {"rotate", "shear_x", "shear_y", "translate_x", "translate_y"}
for name, (apply, parameters) in cases.items():
    parameters = np.array(parameters, np.float32)
    golden[f"parameters.{name}"] = parameters
    for filter_name, mode in FILTERS.items() if name in MOVES else [("nearest", None)]:
        for image_name, image in IMAGES.items():
            results = [apply(image, float(p), mode) for p in parameters]
            golden[f"hash.{name}.{filter_name}.{image_name}"] = np.stack([fingerprint(r) for r in results])
            if image_name == "rgb":  # one whole image, for a look at how a result is wrong
                golden[f"image.{name}.{filter_name}"] = np.asarray(results[len(results) // 2])
for name, image in IMAGES.items():
    golden[f"input.{name}"] = np.asarray(image)

# Policies and magnitudes.
for policy in (AutoAugmentPolicy.IMAGENET, AutoAugmentPolicy.CIFAR10):
    golden[f"policy.{policy.value}"] = np.array(
        [[(OPS.index(op), p, level or 0) for op, p, level in pair] for pair in AutoAugment(policy).policies], np.float32)
for bins in (10, 31):
    space = RandAugment()._augmentation_space(bins, (33, 47)) | AutoAugment()._augmentation_space(bins, (33, 47))
    golden[f"magnitudes.{bins}"] = np.array([np.broadcast_to(space[op][0].numpy(), bins) for op in OPS], np.float32)
    golden[f"signed.{bins}"] = np.array([space[op][1] for op in OPS], np.uint8)
    golden[f"translations.{bins}"] = np.array(
        [[int(m) for m in AutoAugment()._augmentation_space(bins, (1, size))["TranslateX"][0].tolist()]
         for size in range(1, 401)], np.uint8)


def chosen(image, op, level, bins, negative, mode=FILTERS["nearest"], fill=None):
    """torchvision's body of AutoAugment and RandAugment: one operation, once it is chosen."""
    magnitudes, signed = (AutoAugment() if op == "Invert" else RandAugment())._augmentation_space(
        bins, (image.height, image.width))[op]
    magnitude = float(magnitudes[level].item()) if magnitudes.ndim else 0.0
    return _apply_op(image, op, -magnitude if signed and negative else magnitude, mode, fill)


# Whole augmentations, `COUNT` calls on one stream: our draws, torchvision's operations.
COUNT = 150
for policy in (AutoAugmentPolicy.IMAGENET, AutoAugmentPolicy.CIFAR10):
    rng, results = data.stream(f"augment/auto/{policy.value}"), []
    for _ in range(COUNT):
        image, pair = IMAGES["rgb"], AutoAugment(policy).policies[int(rng.below(1, 25)[0])]
        draws, negative = rng.uniform(2), rng.below(2, 2) == 0
        for i, (op, probability, level) in enumerate(pair):
            if draws[i] < np.float32(probability):
                image = chosen(image, op, level or 0, 10, negative[i])
        results.append(fingerprint(image))
    golden[f"auto_augment.{policy.value}"] = np.stack(results)

rng, results = data.stream("augment/rand"), []
for _ in range(COUNT):
    image = IMAGES["rgb"]
    for _ in range(3):
        op, negative = OPS[int(rng.below(1, 14)[0])], bool(rng.below(1, 2)[0])
        image = chosen(image, op, 17, 31, negative, FILTERS["bilinear"], FILL)
    results.append(fingerprint(image))
golden["rand_augment"] = np.stack(results)

rng, results = data.stream("augment/jitter"), []
for _ in range(COUNT):
    order = [0, 1, 2, 3]
    for i in (3, 2, 1):
        j = int(rng.below(1, i + 1)[0])
        order[i], order[j] = order[j], order[i]
    f32 = np.float32
    factors = [rng.uniform(1, low, high)[0] for low, high in (
        (f32(1) - f32(0.4), f32(1) + f32(0.4)), (0.5, 2), (0, f32(1) + f32(1.5)), (-0.1, 0.1))]
    adjust = (functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation, functional.adjust_hue)
    image = IMAGES["rgb"]
    for what in order:
        image = adjust[what](image, float(factors[what]))
    results.append(fingerprint(image))
golden["color_jitter"] = np.stack(results)

path = pathlib.Path(__file__).parent / "augment.safetensors"
save_file(dict(sorted((k, np.ascontiguousarray(v)) for k, v in golden.items())), path)
print(path.stat().st_size, "bytes,", len(golden), "tensors")
