"""The official corruptions of hendrycks/robustness, run as they are, on this library's random numbers or on NumPy's.

A few calls that newer NumPy, SciPy and scikit-image no longer have are renamed; nothing else is changed. Needs ImageMagick
with Wand, OpenCV, scikit-image, SciPy, Pillow.
"""

import pathlib
import types

import numpy as np
import scipy.stats
from PIL import Image

import philox

KINDS = ("gaussian_noise shot_noise impulse_noise defocus_blur glass_blur motion_blur zoom_blur snow frost fog brightness contrast "
         "elastic_transform pixelate jpeg_compression speckle_noise gaussian_blur spatter saturate").split()
SEED = 7


class shared_random:
    """numpy.random's functions, on one random_stream of the library."""

    def __init__(self, stream):
        self.stream, self.words = stream, np.zeros(0, np.uint32)

    def next(self, count):
        while len(self.words) < count:  # in large blocks: glass_blur asks for two at a time
            self.words = np.concatenate([self.words, self.stream.next(max(count, 1 << 14))])
        result, self.words = self.words[:count], self.words[count:]
        return result

    def normal(self, loc=0.0, scale=1.0, size=None):
        words = self.next(2 * int(np.prod(size))).astype(np.float64)
        u, v = (words[0::2] + 1.0) * 2.0 ** -32, words[1::2] * 2.0 ** -32
        n = (np.sqrt(-2.0 * np.log(u)) * np.cos(6.283185307179586 * v)).astype(np.float32)
        return loc + scale * n.astype(np.float64).reshape(size)

    def uniform(self, low=0.0, high=1.0, size=None):
        u = (self.next(1 if size is None else int(np.prod(size))) >> np.uint32(8)) * 2.0 ** -24
        return low + (high - low) * (float(u[0]) if size is None else u.reshape(size))

    def randint(self, low, high=None, size=None):
        low, high = (0, low) if high is None else (low, high)
        n = low + ((self.next(1 if size is None else int(np.prod(size))).astype(np.uint64) * np.uint64(high - low))
                   >> np.uint64(32)).astype(np.int64)
        return int(n[0]) if size is None else n.reshape(size)

    def poisson(self, mean):
        u = (self.next(mean.size) + 0.5) * 2.0 ** -32
        return np.where(mean > 0, scipy.stats.poisson.ppf(u.reshape(mean.shape), np.maximum(mean, 1e-9)), 0)


class numpy_of_then(types.SimpleNamespace):
    """NumPy with the random numbers that are set, and with two names that it no longer has."""

    float_ = np.float64
    fromstring = staticmethod(np.frombuffer)

    def __getattr__(self, name):
        return getattr(np, name)


def official(robustness, scale, frost):
    """The functions of a checkout's make_imagenet_c.py or make_cifar_c.py, by name, with the frost pictures of a folder."""
    path = pathlib.Path(robustness) / "ImageNet-C" / "create_c" / f"make_{scale}_c.py"
    text = path.read_text()
    text = text[text.index("# /////////////// Distortion Helpers"):text.index("# /////////////// End Distortions")]
    for old, new in (("multichannel=True", "channel_axis=-1"), ("scipy.ndimage.interpolation", "scipy.ndimage"),
                     ("'./frost", f"'{frost}/frost")):
        text = text.replace(old, new)
    space = {"np": numpy_of_then()}
    exec(compile(text, str(path), "exec"), space)
    return space


def corrupted_officially(space, kind, severity, images, random):
    results = []
    for i, image in enumerate(images):
        space["np"].random = random(i)
        results.append(np.uint8(space[kind](Image.fromarray(image), severity)))
    return np.stack(results)


def stream_of(kind, severity, i):
    """What corruption_stream of the library gives, as numpy.random."""
    return shared_random(philox.random_stream(SEED).split(KINDS.index(kind) * 8 + severity).split(i))
