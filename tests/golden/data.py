"""Weights, images, labels, noise and signs that Python and C++ make alike from random_stream(2026): see README.md."""

import numpy as np
import philox

SEED = 2026
EPSILON, STEP, STEPS = 4, 1, 5  # pixels of 255

# The numbers of the five batches: chosen (advprop_step.py --search) so that no ReLU input lies so near to zero that rounding
# of float32 could flip it, which would change a gradient by some 1e-3.
BATCHES = {"resnet20": (4, 9, 23, 43, 53), "resnet18_cifar": (58, 73, 186, 268, 282)}
BATCH_SIZE = {"resnet20": 8, "resnet18_cifar": 4}


def stream(name):
    return philox.random_stream(SEED).named(name)


def parameter(name, shape):
    """The initial value of the tensor with this state-dict name (float32, PyTorch order)."""
    r, count = stream(name), int(np.prod(shape))
    if name.endswith("running_var"):
        value = r.uniform(count, 0.5, 1.5)
    elif name.endswith("running_mean"):
        value = np.float32(0.2) * r.uniform(count, -1, 1)
    elif len(shape) > 1:
        value = np.float32(np.sqrt(3.0 / np.prod(shape[1:]))) * r.uniform(count, -1, 1)
    elif name.startswith(("linear.", "fc.")):
        value = np.float32(0.1) * r.uniform(count, -1, 1)
    elif name.endswith("weight"):
        value = r.uniform(count, 0.125, 0.25)
    else:  # one channel in four is dead: another one in the auxiliary sets
        value = r.uniform(count, 0.25, 0.5)
        value = np.where(np.arange(count) % 4 == (1 if "aux_bn" in name else 3), -value, value)
    return value.reshape(shape)


def images(network, number, extent=32, channels=3):
    """Smooth images with a little grain, batch x H x W x channels, in float32 k/255: integers until the last division."""
    batch = BATCH_SIZE[network]
    cells = extent // 8 + 1
    grid = (stream(f"{network}/grid/{number}").bits(batch * cells * cells * channels) >> np.uint32(24)).astype(np.int64)
    grid = grid.reshape(batch, cells, cells, channels)
    y, x = np.meshgrid(np.arange(extent), np.arange(extent), indexing="ij")
    gy, gx, fy, fx = y // 8, x // 8, (y % 8)[..., None], (x % 8)[..., None]
    smooth = ((8 - fy) * ((8 - fx) * grid[:, gy, gx] + fx * grid[:, gy, gx + 1])
              + fy * ((8 - fx) * grid[:, gy + 1, gx] + fx * grid[:, gy + 1, gx + 1])) // 64
    grain = (stream(f"{network}/grain/{number}").bits(smooth.size) >> np.uint32(27)).astype(np.int64) - 16
    return np.clip(smooth + grain.reshape(smooth.shape), 0, 255).astype(np.float32) / np.float32(255)


def labels(network, number, classes=10):
    return stream(f"{network}/labels/{number}").below(BATCH_SIZE[network], classes)


def given(network, number, clean):
    """The adversarial images of variant "given": every pixel 4/255 up or down, clipped."""
    up = (stream(f"{network}/given/{number}").bits(clean.size) >> np.uint32(31)).reshape(clean.shape).astype(bool)
    e = np.float32(EPSILON / 255)
    return np.clip(np.where(up, clean + e, clean - e), np.float32(0), np.float32(1))


def start(network, number, clean):
    """The start of PGD: uniform noise in [-epsilon, epsilon], clipped to [0, 1]."""
    noise = np.float32(EPSILON / 255) * stream(f"{network}/start/{number}").uniform(clean.size, -1, 1)
    return np.clip(clean + noise.reshape(clean.shape), np.float32(0), np.float32(1))


_cache = {}


def _pick(name, count):
    if (name, count) not in _cache:
        _cache[name, count] = stream(f"signs/{name}").bits(count), stream(f"samples/{name}").below(16, count)
    return _cache[name, count]


def summary(name, tensor):
    """26 numbers of a tensor: its L2 norm, its sum, 8 projections on random signs, 16 samples."""
    flat = np.asarray(tensor, np.float64).reshape(-1)
    words, samples = _pick(name, flat.size)
    projections = [flat.sum() - 2 * flat[(words >> np.uint32(31 - j)).astype(np.uint8) & 1 == 1].sum() for j in range(8)]
    return np.concatenate(([np.sqrt((flat * flat).sum()), flat.sum()], projections, flat[samples]))
