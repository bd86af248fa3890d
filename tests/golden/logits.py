"""Logits of the two pretrained CIFAR-10 ResNets: python logits.py DATA_DIR [--out DIR] [--images 10000]

Commits logits.safetensors (first 8 test images) and, with --out, writes the first 1,000 images' logits whole."""

import argparse
import lzma
import pathlib

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

import networks

FILES = {"resnet20": "resnet20-cifar10-12fca82f.safetensors", "resnet56": "resnet56-cifar10-4bfd9763.safetensors"}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--images", type=int, default=10000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    raw = lzma.open(arguments.data / "cifar-10-batches-bin" / "test_batch.bin.xz").read()
    records = np.frombuffer(raw, np.uint8).reshape(-1, 3073)[:arguments.images]
    labels, pixels = torch.from_numpy(records[:, 0].astype(np.int64)), records[:, 1:].reshape(-1, 3, 32, 32)
    golden = {}
    for name, file in FILES.items():
        net = networks.NETWORKS[name](domains=1, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)).eval()
        tensors = {k.removeprefix("module."): torch.from_numpy(v) for k, v in load_file(arguments.data / file).items()}
        missing, unexpected = net.load_state_dict(tensors, strict=False)
        assert not unexpected and all(m.endswith("num_batches_tracked") for m in missing), (missing, unexpected)
        with torch.inference_mode():
            logits = torch.cat([net(torch.from_numpy(p.copy()).float() / 255) for p in np.array_split(pixels, 40)])
            exact = net.double()(torch.from_numpy(pixels[:100].copy()).double() / 255)
        wrong = (logits.argmax(1) != labels).sum().item()
        print(f"{name}: {wrong} of {len(labels)} wrong; float32 from float64, 100 images, largest absolute "
              f"{(logits[:100] - exact).abs().max().item():.1e}")
        golden[name] = logits[:8].numpy()
        golden[f"{name}.wrong"] = np.array([wrong], np.float32)
        if arguments.out:
            save_file({"logits": logits[:1000].numpy()}, arguments.out / f"logits_{name}.safetensors")
    if arguments.images == 10000:
        save_file(golden, pathlib.Path(__file__).with_name("logits.safetensors"))


if __name__ == "__main__":
    main()
