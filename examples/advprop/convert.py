#!/usr/bin/env python3
"""PyTorch checkpoints to safetensors and back:

  convert.py net.pth net.safetensors          also .pt, .pth.tar, .bin, .ckpt
  convert.py net.safetensors net.pth          --key state_dict wraps it as training scripts do

C++ reads no pickles, so this one step needs Python, with torch and safetensors. Names stay as they are, except that
"module." (torch's DataParallel) and "_orig_mod." (torch.compile) are taken off: the library recognises timm's,
torchvision's and EfficientNet-PyTorch's names by itself. Nothing in a checkpoint is executed (weights_only)."""

import argparse
import collections
import os
import re
import sys

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

WEIGHTS = ("state_dict", "model_state_dict", "model", "net")
AVERAGES = ("state_dict_ema", "model_ema", "ema", "ema_state_dict")
PREFIXES = ("module.", "_orig_mod.")


class Refusal(Exception):
    pass


def is_state_dict(thing):
    return isinstance(thing, dict) and len(thing) > 0 and all(isinstance(v, torch.Tensor) for v in thing.values())


def unwrap(checkpoint, path, key, ema):
    """The state dict inside a training script's checkpoint, and the key it was under."""
    if key is None and not ema and is_state_dict(checkpoint):
        return checkpoint, None
    if not isinstance(checkpoint, dict):
        raise Refusal(f"{path}: holds a {type(checkpoint).__name__}, not a state dict")
    for name in (key,) if key else AVERAGES if ema else WEIGHTS + AVERAGES:
        if name not in checkpoint:
            continue
        inner = checkpoint[name]
        if is_state_dict(inner):
            return inner, name
        if isinstance(inner, dict):  # such as {"ema": {"module": {...}}}
            for below in ("module",) + WEIGHTS:
                if is_state_dict(inner.get(below)):
                    return inner[below], f"{name}.{below}"
    wanted = f"under {key!r}" if key else "of averaged weights" if ema else "in it"
    raise Refusal(f"{path}: no state dict {wanted}; its keys are {', '.join(map(repr, list(checkpoint)[:12]))}")


def strip(state):
    for prefix in PREFIXES * 2:  # in either order
        if all(name.startswith(prefix) for name in state):
            state = {name[len(prefix):]: tensor for name, tensor in state.items()}
    return state


def read_pytorch(path, key, ema):
    with torch.serialization.safe_globals([argparse.Namespace, collections.OrderedDict, collections.defaultdict]):
        try:
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        except OSError:
            raise
        except Exception as e:  # torch lets through whatever its unpickler stumbles on
            foreign = re.search(r"GLOBAL (\S+)", str(e))
            why = f"holds a {foreign[1]}; only tensors and plain values are loaded" if foreign else "is not a checkpoint"
            raise Refusal(f"{path}: {why}") from e
    state, where = unwrap(checkpoint, path, key, ema)
    others = [k for k in AVERAGES if not ema and isinstance(checkpoint, dict) and k in checkpoint and k != where]
    if where:
        print(f"took {where!r}" + (f"; --ema takes the averaged weights in {others[0]!r}" if others else ""))
    return strip(state)


def write(path, save):
    """Whole or not at all."""
    temporary = path + ".advprop-tmp"
    try:
        save(temporary)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # safetensors makes files for their owner alone
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def convert(source, target, key, ema):
    if source.endswith(".safetensors") == target.endswith(".safetensors"):
        raise Refusal(f"{source} to {target}: one of the two must end in .safetensors")
    if target.endswith(".safetensors"):
        # Clones, because safetensors has no tensors that share memory.
        state = {n: t.detach().clone().contiguous() for n, t in read_pytorch(source, key, ema).items()}
        write(target, lambda path: save_file(state, path, metadata={"format": "pt"}))
    else:
        if ema:
            raise Refusal("--ema is for reading a PyTorch checkpoint")
        try:
            state = collections.OrderedDict(load_file(source))
        except SafetensorError as e:
            raise Refusal(f"{source}: {e}") from e
        write(target, lambda path: torch.save({key: state} if key else state, path))
    numbers = sum(t.numel() for t in state.values())
    print(f"{target}: {len(state)} tensors, {numbers:,} numbers")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--key", help="the entry of the PyTorch file with the weights; found by itself when reading")
    parser.add_argument("--ema", action="store_true", help="take the averaged weights")
    a = parser.parse_args()
    try:
        convert(a.source, a.target, a.key, a.ema)
    except (Refusal, OSError, SafetensorError) as e:
        sys.exit(f"convert: {e}")


if __name__ == "__main__":
    main()
