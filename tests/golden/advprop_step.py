"""Golden files of AdvProp steps (Algorithm 1): python advprop_step.py [--network NAME] [--full DIR] [--check-only]

Truth is float64; the same run in float32 says how far PyTorch's own float32 is from it. Format: README.md."""

import argparse
import copy
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

import data
import networks

HERE = pathlib.Path(__file__).parent
RATE, MOMENTUM, DECAY = 0.01, 0.9, 5e-4
MARGIN = 2e-6


def build(network, dtype):
    net = networks.NETWORKS[network](domains=2).to(dtype)
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                tensor.copy_(torch.from_numpy(data.parameter(name, tuple(tensor.shape))))
    return net


def nchw(images, dtype):
    return torch.from_numpy(images).to(dtype).permute(0, 3, 1, 2).contiguous()


def nhwc(images):
    return images.detach().permute(0, 2, 3, 1).contiguous().numpy()


def attack(net, clean, start, labels):
    """PGD through the auxiliary norms with running statistics; nothing of the network changes."""
    epsilon, step = data.EPSILON / 255, data.STEP / 255
    net.eval()
    x = start
    for _ in range(data.STEPS):
        x = x.detach().requires_grad_()
        gradient, = torch.autograd.grad(F.cross_entropy(net(x, 1), labels), x)
        x = torch.clamp(torch.min(torch.max(x + step * gradient.sign(), clean - epsilon), clean + epsilon), 0, 1)
    return x.detach()


class trainer:
    """Network and optimizer; step() is one step of Algorithm 1 and returns both losses and the adversarial images."""

    def __init__(self, network, dtype):
        self.network, self.dtype, self.net = network, dtype, build(network, dtype)
        parameters = list(self.net.parameters())
        self.sgd = torch.optim.SGD([{"params": [p for p in parameters if p.dim() > 1], "weight_decay": DECAY},
                                    {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0}],
                                   lr=RATE, momentum=MOMENTUM)

    def step(self, number, own):
        images, labels = data.images(self.network, number), torch.from_numpy(data.labels(self.network, number))
        clean = nchw(images, self.dtype)
        if own:
            x = attack(self.net, clean, nchw(data.start(self.network, number, images), self.dtype), labels)
        else:
            x = nchw(data.given(self.network, number, images), self.dtype)
        self.net.train()
        losses = F.cross_entropy(self.net(clean, 0), labels), F.cross_entropy(self.net(x, 1), labels)
        self.sgd.zero_grad()
        (losses[0] + losses[1]).backward()
        self.sgd.step()
        return [loss.item() for loss in losses], nhwc(x)

    def gradients(self):
        return {n: p.grad.numpy().copy() for n, p in self.net.named_parameters()}

    def state(self):
        return {n: v.numpy().copy() for n, v in self.net.state_dict().items() if not n.endswith("num_batches_tracked")}

    def momentum(self):
        return {n: self.sgd.state[p]["momentum_buffer"].numpy().copy() for n, p in self.net.named_parameters()}


def run(network, own, dtype):
    """The tensors of a run by golden name, the losses (5 x 2), the adversarial images of step 1."""
    t, out, losses, adversarial = trainer(network, dtype), {}, [], []
    for i, number in enumerate(data.BATCHES[network], 1):
        both, x = t.step(number, own)
        losses.append(both)
        adversarial.append(x)
        if i == 1:
            out |= {f"step1.gradient.{n}": v for n, v in t.gradients().items()}
        if i in (1, 5):
            out |= {f"step{i}.state.{n}": v for n, v in t.state().items()}
            out |= {f"step{i}.momentum.{n}": v for n, v in t.momentum().items()}
    return out, np.array(losses), adversarial[0]


class too_near(Exception):
    pass


def search(network, accepted=()):
    """Finds BATCHES: for each step the first batch whose ReLU inputs all keep away from zero by MARGIN."""
    pair, numbers, number, relu = [trainer(network, torch.float32), trainer(network, torch.float64)], [], -1, F.relu
    for number in accepted:
        for t in pair:
            t.step(number, False)
        numbers.append(number)
    while len(numbers) < 5:
        number, trial, near, crossing, errors, smallest = number + 1, copy.deepcopy(pair), [], [], [0.0], 1.0

        def watch(z):
            nonlocal smallest
            flat = z.detach().flatten()
            least = flat.abs().min().item()
            if least < MARGIN:
                raise too_near
            if z.dtype == torch.float32:  # first, as it is fast
                where = (flat.abs() < 1e-4).nonzero().flatten()
                near.append((where, flat[where].double()))
            else:
                where, single = near.pop(0)
                errors.extend((flat[where] - single).abs().tolist())
                share = (z.detach() > 0).double().mean((0, 2, 3))
                crossing.append(torch.minimum(share, 1 - share).mean().item())
                smallest = min(smallest, least)
            return relu(z)

        networks.F.relu = watch
        try:
            for t in trial:
                t.step(number, False)
            numbers, pair = numbers + [number], trial
            print(f"{numbers}: smallest |z| {smallest:.1e}, float32's error near zero up to {max(errors):.1e}, units "
                  f"that change sign within their channel {np.mean(crossing):.4f}", flush=True)
        except too_near:
            pass
        networks.F.relu = relu


def distance(a, b):
    """Relative L2 distance of every tensor of a from its namesake in b."""
    return {n: float(np.linalg.norm((a[n] - b[n]).ravel()) / np.linalg.norm(b[n].ravel())) for n in b}


def worst(distances):
    """By kind: the largest distance and whose it is."""
    out = {}
    for name, d in distances.items():
        step, kind, tensor = name.split(".", 2)
        if kind == "state" and "running" in tensor:
            kind = "statistics"
        if d >= out.get(f"{step} {kind}", (0,))[0]:
            out[f"{step} {kind}"] = (d, tensor)
    return {k: f"{d:.2e} ({t})" for k, (d, t) in out.items()}


def estimated(summary, truth):
    """What a test sees: the distance estimated from the 8 projections."""
    return {n: float(np.sqrt(np.mean((summary[n][2:10] - t[2:10]) ** 2)) / t[0]) for n, t in truth.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=data.BATCHES, nargs="+", default=list(data.BATCHES))
    parser.add_argument("--full", type=pathlib.Path, help="also write every tensor whole (float32), for debugging")
    parser.add_argument("--check-only", action="store_true", help="print the distances, write no golden file")
    parser.add_argument("--search", action="store_true", help="print good numbers of batches for data.py and stop")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for network in arguments.network:
        if arguments.search:
            search(network)
            continue
        truth, losses, _ = run(network, False, torch.float64)
        single, losses32, _ = run(network, False, torch.float32)
        _, own_losses, adversarial = run(network, True, torch.float64)
        _, own_losses32, adversarial32 = run(network, True, torch.float32)
        summaries = {n: data.summary(n.split(".", 2)[2], v) for n, v in truth.items()}
        summaries32 = {n: data.summary(n.split(".", 2)[2], v) for n, v in single.items()}
        rms = {n: s[0] / np.sqrt(truth[n].size) for n, s in summaries.items()}
        report = {
            "network": network, "torch": torch.__version__,
            "float32 from float64, relative L2": worst(distance(single, truth)),
            "the same, estimated from 8 projections": worst(estimated(summaries32, summaries)),
            "worst sample, in rms of its tensor": worst(
                {n: float(np.abs(summaries32[n][10:] - s[10:]).max() / rms[n]) for n, s in summaries.items()}),
            "given losses, largest relative difference": float(np.abs(losses32 / losses - 1).max()),
            "own losses, largest relative difference": float(np.abs(own_losses32 / own_losses - 1).max()),
            "own attack, step 1, equal pixels": float(np.mean(np.abs(adversarial32 - adversarial) <= 1e-5)),
            "losses given": losses.round(4).tolist(), "losses own": own_losses.round(4).tolist(),
        }
        print(json.dumps(report, indent=1), flush=True)
        if arguments.full:
            arguments.full.mkdir(parents=True, exist_ok=True)
            whole = {n: np.float32(v) for n, v in truth.items()}
            whole |= {f"initial.{n}": v.numpy() for n, v in build(network, torch.float32).state_dict().items()
                      if not n.endswith("num_batches_tracked")}
            for t, number in enumerate(data.BATCHES[network], 1):
                x = data.images(network, number)
                whole |= {f"input.images.{t}": x, f"input.labels.{t}": np.int32(data.labels(network, number)),
                          f"input.given.{t}": data.given(network, number, x),
                          f"input.start.{t}": data.start(network, number, x)}
            save_file(whole, arguments.full / f"advprop_{network}_full.safetensors")
        if not arguments.check_only:
            first = data.BATCHES[network][0]
            images = data.images(network, first)
            golden = {n: np.float32(v) for n, v in summaries.items()}
            golden |= {"losses.given": np.float32(losses), "losses.own": np.float32(own_losses),
                       "own.adversarial.step1": np.float32(adversarial),
                       "input.images": np.float32(data.summary("input", images)),
                       "input.given": np.float32(data.summary("input", data.given(network, first, images))),
                       "input.start": np.float32(data.summary("input", data.start(network, first, images)))}
            for name, value in build(network, torch.float32).state_dict().items():
                if not name.endswith("num_batches_tracked"):
                    golden[f"initial.{name}"] = np.float32(data.summary(name, value.numpy()))
            save_file(golden, HERE / f"advprop_{network}.safetensors", metadata={
                "labels": " ".join(map(str, data.labels(network, first))), "torch": torch.__version__})


if __name__ == "__main__":
    main()
