"""Robust accuracy of the pretrained ResNet-20 under our attacks and torchattacks', same settings, and the time of both.

    pip install torch torchattacks safetensors numpy
    python bench/compare/strong_attacks.py build/release/bench/bench_attacks shared/data [--images 500] [--steps 20]
        [--queries 200] [--epsilons 1 2 4 8] [--threads 2] [--exact-loss] [--markdown FILE]

Robust accuracy counts images that are classified correctly before and after the attack, of the first so many CIFAR-10 test
images. PGD: random start, step epsilon / 4, last iterate. APGD: one restart; the targeted one tries all 9 wrong classes.
Square: as many queries as `--queries`, its schedule of squares not stretched. `--exact-loss` gives torchattacks' PGD and APGD-CE
a cross entropy whose gradient does not round p - 1 of a label that the network is sure of, as the one here does not.
"""

import argparse
import json
import lzma
import pathlib
import subprocess
import sys
import time

import numpy as np
import safetensors.torch
import torch
import torchattacks

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"))
import networks  # noqa: E402

IMAGENET = dict(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
NAMES = {"pgd": "PGD", "apgd-ce": "APGD-CE", "apgd-t": "APGD-T", "fab": "FAB-T", "square": "Square"}


def load(data, images):
    net = networks.cifar_resnet(20, domains=1, **IMAGENET)
    state = safetensors.torch.load_file(data / "resnet20-cifar10-12fca82f.safetensors")
    missing, unexpected = net.load_state_dict({k.removeprefix("module."): v for k, v in state.items()}, strict=False)
    assert not unexpected and all(k.endswith("num_batches_tracked") for k in missing), (missing, unexpected)
    raw = lzma.open(data / "cifar-10-batches-bin" / "test_batch.bin.xz").read(3073 * images)
    rows = np.frombuffer(raw, np.uint8).reshape(images, 3073)
    x = torch.from_numpy(rows[:, 1:].reshape(images, 3, 32, 32).astype(np.float32) / np.float32(255))
    return net.eval(), x, torch.from_numpy(rows[:, 0].astype(np.int64))


class ExactCrossEntropy(torch.nn.Module):
    """log(1 + exp(the others' logsumexp - own)): the gradient of the label's logit is computed, not got as p - 1."""

    def __init__(self, reduction="mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, z, labels):
        own = torch.nn.functional.one_hot(labels, z.shape[1]).bool()
        others = torch.logsumexp(z.masked_fill(own, float("-inf")), 1)
        loss = torch.nn.functional.softplus(others - z[own], threshold=1e9)
        return loss.mean() if self.reduction == "mean" else loss


def theirs(net, x, y, attack, norm, epsilon, steps):
    e, p = epsilon / 255, {"inf": "Linf", "two": "L2"}[norm]
    if attack == "pgd":
        kind = torchattacks.PGD if norm == "inf" else torchattacks.PGDL2
        a = kind(net, eps=e, alpha=e / 4, steps=steps, random_start=True)
    elif attack == "apgd-ce":
        a = torchattacks.APGD(net, norm=p, eps=e, steps=steps, n_restarts=1, loss="ce", seed=0)
    elif attack == "apgd-t":
        a = torchattacks.APGDT(net, norm=p, eps=e, steps=steps, n_restarts=1, seed=0, n_classes=10)
    elif attack == "fab":
        a = torchattacks.FAB(net, norm=p, eps=e, steps=steps, n_restarts=1, seed=0, multi_targeted=True, n_classes=10)
    else:
        a = torchattacks.Square(net, norm=p, eps=e, n_queries=steps, n_restarts=1, p_init=0.8, seed=0, resc_schedule=False)
    torch.manual_seed(0)
    begin, robust = time.perf_counter(), 0
    for first in range(0, len(x), 250):
        some, labels = x[first:first + 250], y[first:first + 250]
        with torch.no_grad():
            correct = net(some).argmax(1) == labels
        with torch.enable_grad():
            adversarial = a(some, labels)
        assert (adversarial - some).abs().max() <= e * 1.0001 if norm == "inf" else True
        with torch.no_grad():
            robust += int((correct & (net(adversarial).argmax(1) == labels)).sum())
    return robust, time.perf_counter() - begin


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program")
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("--images", type=int, default=500)
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--queries", type=int, default=200)
    p.add_argument("--epsilons", type=float, nargs="+", default=[1, 2, 4, 8])
    p.add_argument("--attacks", nargs="+", default=list(NAMES))
    p.add_argument("--norms", nargs="+", default=["inf"], help="inf, two; epsilon is a length in pixels of 255 for two")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--exact-loss", action="store_true")
    p.add_argument("--markdown")
    o = p.parse_args()
    torch.set_num_threads(o.threads)
    torch.use_deterministic_algorithms(True)
    if o.exact_loss:
        torch.nn.CrossEntropyLoss = ExactCrossEntropy
    net, x, y = load(o.data, o.images)
    for q in net.parameters():
        q.requires_grad_(False)
    lines = ["| norm | epsilon | attack | ours, % | torchattacks, % | ours, s | torchattacks, s |", "|---|---:|---|---:|---:|---:|---:|"]
    print("\n".join(lines), flush=True)
    for norm in o.norms:
        for epsilon in o.epsilons:
            for attack in o.attacks:
                steps = o.queries if attack == "square" else o.steps
                out = subprocess.run([o.program, str(o.data), attack, norm, str(epsilon), str(steps), str(o.images), str(o.threads)],
                                     check=True, capture_output=True, text=True).stdout
                ours = json.loads(out)
                robust, seconds = theirs(net, x, y, attack, norm, epsilon, steps)
                lines.append(f"| {norm} | {epsilon:g} | {NAMES[attack]} | {100 * ours['robust'] / o.images:.1f} | "
                             f"{100 * robust / o.images:.1f} | {ours['seconds']:.1f} | {seconds:.1f} |")
                print(lines[-1], flush=True)
    if o.markdown:
        pathlib.Path(o.markdown).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
