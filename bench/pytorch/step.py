"""Times one training step in PyTorch on the CPU: the baseline of bench/. See README.md; options: step.py --help"""

import argparse
import itertools
import json
import pathlib
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"))
import networks  # noqa: E402

CASES = {  # network, channels, extent, batch
    "resnet20-cifar": ("resnet20", 3, 32, 128),
    "resnet20-fashion": ("resnet20", 1, 28, 128),
    "demo": ("resnet20", 1, 28, 64),  # cmake/demo.sh
    "resnet18-cifar": ("resnet18_cifar", 3, 32, 64),
}
METHODS = {"clean": 0, "advprop-pgd1": 1, "advprop-pgd2": 2, "advprop-pgd5": 5}
EPSILON, STEP = {1: 1 / 255, 2: 8 / 255, 5: 4 / 255}, {1: 1 / 255, 2: 4 / 255, 5: 1 / 255}  # pgd2 is the demo's


class runner:
    def __init__(self, case, method, layout, mode, passes, batch):
        name, channels, extent, default = CASES[case]
        self.batch, self.steps, self.passes = batch or default, METHODS[method], passes
        options = {} if channels == 3 else {"mean": (0.2860,), "std": (0.3530,)}
        self.net = networks.NETWORKS[name](domains=2 if self.steps else 1, channels=channels, **options)
        self.format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
        self.net.to(memory_format=self.format)
        self.call = torch.compile(self.net) if mode == "compile" else self.net
        parameters = list(self.net.parameters())
        self.parameters = parameters
        self.sgd = torch.optim.SGD([{"params": [p for p in parameters if p.dim() > 1], "weight_decay": 5e-4},
                                    {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0}],
                                   lr=0.01, momentum=0.9)
        torch.manual_seed(1)
        self.x = torch.rand(self.batch, channels, extent, extent).contiguous(memory_format=self.format)
        self.y = torch.randint(10, (self.batch,))

    def attack(self):
        """PGD through the auxiliary norms, running statistics; weights are frozen, so only input gradients are made."""
        epsilon = EPSILON[self.steps]
        low, high = (self.x - epsilon).clamp_(0, 1), (self.x + epsilon).clamp_(0, 1)
        self.net.eval()
        for p in self.parameters:
            p.requires_grad_(False)
        x = (self.x + torch.empty_like(self.x).uniform_(-epsilon, epsilon)).clamp_(0, 1)
        for _ in range(self.steps):
            x.requires_grad_()
            gradient, = torch.autograd.grad(F.cross_entropy(self.call(x, 1), self.y), x)
            x = torch.min(torch.max(x.detach() + STEP[self.steps] * gradient.sign(), low), high)
        for p in self.parameters:
            p.requires_grad_(True)
        self.net.train()
        return x.contiguous(memory_format=self.format)

    def step(self):
        self.net.train()
        if not self.steps:
            loss = F.cross_entropy(self.call(self.x, 0), self.y)
        elif self.passes == "sequential":
            adversarial = self.attack()
            loss = F.cross_entropy(self.call(self.x, 0), self.y) + F.cross_entropy(self.call(adversarial, 1), self.y)
        else:
            both = torch.cat((self.x, self.attack())).contiguous(memory_format=self.format)
            clean, adversarial = self.call(both, "halves").chunk(2)
            loss = F.cross_entropy(clean, self.y) + F.cross_entropy(adversarial, self.y)
        self.sgd.zero_grad()
        loss.backward()
        self.sgd.step()
        return loss.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--method", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--layout", nargs="+", choices=("contiguous", "channels_last"), default=["contiguous", "channels_last"])
    parser.add_argument("--mode", nargs="+", choices=("eager", "compile"), default=["eager"])
    parser.add_argument("--passes", nargs="+", choices=("sequential", "concatenated"), default=["sequential"])
    parser.add_argument("--batch", type=int, help="instead of the case's own")
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for case, method, layout, mode, passes in itertools.product(
            arguments.case, arguments.method, arguments.layout, arguments.mode, arguments.passes):
        if method == "clean" and passes != arguments.passes[0]:
            continue  # has one pass only
        torch.compiler.reset()
        begin = time.perf_counter()
        r = runner(case, method, layout, mode, passes, arguments.batch)
        for _ in range(arguments.warm_up):
            r.step()
        ready, times = time.perf_counter() - begin, []
        for _ in range(arguments.iterations):
            begin = time.perf_counter()
            r.step()
            times.append(1000 * (time.perf_counter() - begin))
        median = statistics.median(times)
        print(json.dumps({
            "framework": f"pytorch {torch.__version__}", "case": case, "method": method, "batch": r.batch,
            "layout": layout, "mode": mode, "passes": passes, "threads": arguments.threads,
            "ms_per_step": round(median, 2), "ms_min": round(min(times), 2), "ms_max": round(max(times), 2),
            "images_per_second": round(1000 * r.batch / median, 1), "iterations": len(times),
            "warm_up_s": round(ready, 1),
            # of the process so far: for one combination's own peak run it alone
            "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}), flush=True)


if __name__ == "__main__":
    main()
