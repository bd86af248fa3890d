"""Writes corruptions.safetensors: what the official corruption scripts make of one image. Contents: README.md.

    python corruptions.py ROBUSTNESS_CHECKOUT FROST_FOLDER
"""

import pathlib
import sys

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

import data
from official_corruptions import KINDS, corrupted_officially, official, stream_of

UNLIKE = {"impulse_noise"}  # scikit-image draws from a generator of its own
SEVERITIES = {"cifar": (1, 2, 3, 4, 5), "imagenet": (1, 3, 5)}

# 8 x 8 random colours, enlarged: edges, flat parts, and values at both ends.
cells = data.stream("corruptions").bits(8 * 8 * 3).reshape(8, 8, 3) >> np.uint32(24)
image = Image.fromarray(cells.astype(np.uint8)).resize((32, 32), Image.BICUBIC)
golden = {"image": np.array(image)}
for scale, size, step in (("cifar", 32, 4), ("imagenet", 224, 16)):
    space = official(sys.argv[1], scale, sys.argv[2])
    large = np.array(image if size == 32 else image.resize((size, size), Image.BICUBIC))
    for kind in KINDS:
        if kind not in UNLIKE:
            results = [corrupted_officially(space, kind, s, large[None], lambda i: stream_of(kind, s, i))[0]
                       for s in SEVERITIES[scale]]
            golden[f"{scale}.{kind}"] = np.ascontiguousarray(np.stack(results)[:, 1::step, 1::step])

path = pathlib.Path(__file__).parent / "corruptions.safetensors"
save_file(dict(sorted(golden.items())), path)
print(path.stat().st_size, "bytes,", len(golden), "tensors")
