"""Times one training step or evaluation pass in PyTorch, on the CPU or a GPU: the baseline of bench/. See README.md; options:
step.py --help"""

import argparse
import contextlib
import itertools
import json
import pathlib
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"))
import networks  # noqa: E402

CASES = {  # network, classes, channels, extent, batch
    "resnet20-cifar": ("resnet20", 10, 3, 32, 128),
    "resnet20-fashion": ("resnet20", 10, 1, 28, 128),
    "demo": ("resnet20", 10, 1, 28, 64),  # a small batch
    "resnet18-cifar": ("resnet18_cifar", 10, 3, 32, 64),
    "resnet50": ("resnet50", 1000, 3, 224, 8),
    "efficientnet-b0": ("efficientnet_b0", 1000, 3, 224, 8),
}
# Attack steps. clean-head: the last layer alone learns, as where features of a pretrained network are kept.
METHODS = {"evaluate": None, "clean": 0, "clean-head": 0, "advprop-pgd1": 1, "advprop-pgd2": 2, "advprop-pgd5": 5}
EPSILON, STEP = {1: 1 / 255, 2: 8 / 255, 5: 4 / 255}, {1: 1 / 255, 2: 4 / 255, 5: 1 / 255}  # pgd2 is the case demo's


class routed_norm(networks.domain_norm):
    """Goes through the domain that was set last, because torchvision's blocks hand on no second argument."""

    route = 0

    def forward(self, x):
        return super().forward(x, self.route)


class torchvision_network(nn.Module):
    """torchvision's network with one set of batch norms a domain."""

    def __init__(self, name, domains, classes):
        import torchvision
        super().__init__()
        self.net = getattr(torchvision.models, name)(num_classes=classes)
        self.mean = nn.Buffer(torch.tensor((0.485, 0.456, 0.406)).view(1, -1, 1, 1))
        self.std = nn.Buffer(torch.tensor((0.229, 0.224, 0.225)).view(1, -1, 1, 1))
        for path, norm in list(self.net.named_modules()):
            if isinstance(norm, nn.BatchNorm2d):
                self.net.set_submodule(path, routed_norm(norm.num_features, domains))

    def route(self, domain):
        for norm in self.modules():
            if isinstance(norm, routed_norm):
                norm.route = domain

    def forward(self, images):
        return self.net((images - self.mean) / self.std)


class runner:
    """A step: `step` in the given mode, `eager_step` in PyTorch's plain one, on the same weights."""

    def __init__(self, case, method, layout, mode, passes, batch, device="cpu", precision="float32", inductor="default",
                 check=False):
        name, classes, channels, extent, default = CASES[case]
        self.batch, self.steps, self.passes = batch or default, METHODS[method], passes
        domains = 2 if self.steps else 1
        self.torchvision = name not in networks.NETWORKS
        if self.torchvision:
            self.net = torchvision_network(name, domains, classes)
        else:
            options = {} if channels == 3 else {"mean": (0.2860,), "std": (0.3530,)}
            self.net = networks.NETWORKS[name](domains=domains, channels=channels, **options)
        self.format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
        self.net.to(device=device, memory_format=self.format)
        self.device, self.bfloat16 = device, precision == "bfloat16"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.benchmark = True
        self.compiled = self.net
        # Gradients of several passes add up, which the graphs that max-autotune makes of single passes do not allow: the
        # second pass would write where the first one's gradients are (pytorch issues 96693, 169545).
        self.pass_graphs = mode.startswith("compile") and device == "cuda" and inductor in ("max-autotune", "reduce-overhead")
        if self.pass_graphs and (self.steps or mode == "compile-graph"):
            raise SystemExit(f"step.py: {inductor} makes graphs of single passes, which are for --mode compile and methods of one "
                             "pass: max-autotune-no-cudagraphs")
        if mode.startswith("compile"):
            from torch._inductor import config  # not at the top: it takes memory
            config.freezing = self.steps is None  # weights become constants, with batch norms folded into them
            self.compiled = torch.compile(self.net, mode=inductor)
        self.parameters = list(self.net.parameters())
        if method == "clean-head":
            for p in self.parameters[:-2]:
                p.requires_grad_(False)
            self.parameters = self.parameters[-2:]
        self.sgd = torch.optim.SGD([{"params": [p for p in self.parameters if p.dim() > 1], "weight_decay": 5e-4},
                                    {"params": [p for p in self.parameters if p.dim() == 1], "weight_decay": 0}],
                                   lr=0.01, momentum=0.9)
        torch.manual_seed(1)
        self.x = torch.rand(self.batch, channels, extent, extent).to(device).contiguous(memory_format=self.format)
        self.y = torch.randint(classes, (self.batch,)).to(device)
        self.losses = []  # of the last step; logits of an evaluation
        self.begun = {name: t.to("cpu", copy=True) for name, t in self.net.state_dict().items()} if check else {}
        self.step = self.queue
        self.captured = mode.endswith("graph")
        if self.captured:
            self.capture()

    def capture(self):
        """Makes of the whole step one CUDA graph. Images and labels stay where they are; gradients are made inside it, the
        momentum before it; the attack's noise is another in each replay."""
        other = torch.cuda.Stream()
        other.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(other):
            for _ in range(3):
                self.queue()
        torch.cuda.current_stream().wait_stream(other)
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()  # replays allocate nothing: what a step takes is seen here
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=other):
            self.queue()
        losses = self.losses  # always the same memory

        def replay():
            graph.replay()
            self.losses = losses

        self.step = replay

    def eager_step(self):
        compiled, self.compiled = self.compiled, self.net
        self.queue()
        self.compiled = compiled

    def numbers(self, step):
        """Losses, and how far one step goes from the weights that this runner began with."""
        with torch.no_grad():
            for name, t in self.net.state_dict().items():
                t.copy_(self.begun[name])
            for state in self.sgd.state.values():
                state["momentum_buffer"].zero_()
        torch.manual_seed(1)
        step()
        found = {f"loss {i}": float(loss.float().norm()) for i, loss in enumerate(self.losses)}
        if self.steps is not None:
            names = {p: name for name, p in self.net.named_parameters()}
            moves = [(p.detach().cpu() - self.begun[names[p]]).norm() for p in self.parameters]
            found["update"] = float(torch.stack(moves).norm())
        return found

    def check(self):
        """Whether a step computes what the eager one does. Noise and rounding are others; a gradient that is lost or read
        before it is there changes the update by a third and more."""
        mine, eager = self.numbers(self.step), self.numbers(self.eager_step)
        equal = all(abs(mine[k] - eager[k]) <= (0.1 if k == "update" else 0.03) * abs(eager[k]) for k in eager)
        return {"equal": equal, "numbers": mine, "eager_numbers": eager}

    def call(self, x, domain):
        if self.pass_graphs:
            torch.compiler.cudagraph_mark_step_begin()
        with torch.autocast(self.device, torch.bfloat16) if self.bfloat16 else contextlib.nullcontext():
            if not self.torchvision:
                return self.compiled(x, domain)
            self.net.route(domain)
            return self.compiled(x)

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

    def loss(self, logits):
        loss = F.cross_entropy(logits, self.y)
        self.losses.append(loss.detach())
        return loss

    def queue(self):
        self.losses = []
        if self.steps is None:
            self.net.eval()
            with torch.inference_mode():
                self.losses.append(self.call(self.x, 0))
            return
        self.net.train()
        self.sgd.zero_grad()  # to None: in a graph the first pass writes them and the second adds
        if self.passes == "sequential" or not self.steps:
            self.loss(self.call(self.x, 0)).backward()
            if self.steps:
                self.loss(self.call(self.attack(), 1)).backward()
        else:
            both = torch.cat((self.x, self.attack())).contiguous(memory_format=self.format)
            clean, adversarial = self.call(both, "halves").chunk(2)
            (self.loss(clean) + self.loss(adversarial)).backward()
        self.sgd.step()

    def times(self, iterations):
        """Milliseconds of each step. A GPU's steps are queued one behind the other, as a training loop does it."""
        if self.device == "cuda":
            marks = [torch.cuda.Event(enable_timing=True) for _ in range(iterations + 1)]
            marks[0].record()
            for mark in marks[1:]:
                self.step()
                mark.record()
            torch.cuda.synchronize()
            return [a.elapsed_time(b) for a, b in itertools.pairwise(marks)]
        times = []
        for _ in range(iterations):
            begin = time.perf_counter()
            self.step()
            times.append(1000 * (time.perf_counter() - begin))
        return times


def resident_mib():
    """The most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def on_gpu(arguments):
    if arguments.device == "cpu":
        return {}
    return {"gpu": torch.cuda.get_device_name(), "precision": arguments.precision,
            "peak_mib": torch.cuda.max_memory_allocated() >> 20, "reserved_mib": torch.cuda.max_memory_reserved() >> 20}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--method", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--layout", nargs="+", choices=("contiguous", "channels_last"), default=["contiguous", "channels_last"])
    parser.add_argument("--mode", nargs="+", choices=("eager", "compile", "graph", "compile-graph"), default=["eager"],
                        help="graph: the whole step as one CUDA graph")
    parser.add_argument("--inductor", choices=("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"),
                        default="default", help="how torch.compile is to compile")
    parser.add_argument("--passes", nargs="+", choices=("sequential", "concatenated"), default=["sequential"])
    parser.add_argument("--batch", type=int, help="instead of the case's own")
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("float32", "tf32", "bfloat16"), default="float32",
                        help="tf32 on a GPU; bfloat16 by autocast")
    parser.add_argument("--check", action="store_true", help="another row that says whether a step's numbers are the eager ones")
    parser.add_argument("--wait", action="store_true", help="a row when ready, then another for each line of standard input")
    arguments = parser.parse_args()
    if arguments.device == "cpu" and any(mode.endswith("graph") for mode in arguments.mode):
        parser.error("CUDA graphs need --device cuda")
    torch.set_num_threads(arguments.threads)
    imported = resident_mib()
    for case, method, layout, mode, passes in itertools.product(
            arguments.case, arguments.method, arguments.layout, arguments.mode, arguments.passes):
        if not METHODS[method] and passes != arguments.passes[0]:
            continue  # has one pass only
        inductor = {"inductor": arguments.inductor} if mode.startswith("compile") else {}
        torch.compiler.reset()
        begin = time.perf_counter()
        r = runner(case, method, layout, mode, passes, arguments.batch, arguments.device, arguments.precision,
                   arguments.inductor, arguments.check)
        for _ in range(arguments.warm_up):
            r.step()
        if arguments.device == "cuda":
            torch.cuda.synchronize()
            if not r.captured:
                torch.cuda.reset_peak_memory_stats()  # searching cuDNN's algorithms takes more than a step
        ready = time.perf_counter() - begin

        def row():
            times = r.times(arguments.iterations)
            median = statistics.median(times)
            measured = {
                "framework": f"pytorch {torch.__version__}", "case": case, "method": method, "batch": r.batch,
                "layout": layout, "mode": mode, **inductor, "passes": passes, "threads": arguments.threads,
                "ms_per_step": round(median, 2), "ms_min": round(min(times), 2), "ms_max": round(max(times), 2),
                "images_per_second": round(1000 * r.batch / median, 1), "iterations": len(times),
                "warm_up_s": round(ready, 1),
                # of the process so far: for one combination's own peak run it alone
                "peak_mib": resident_mib(), "imported_mib": imported, **on_gpu(arguments)}
            print(json.dumps(measured), flush=True)
            return measured

        measured = row()
        if arguments.check:
            print(json.dumps({**measured, **r.check()}), flush=True)
        if arguments.wait:
            for _ in sys.stdin:
                row()


if __name__ == "__main__":
    main()
