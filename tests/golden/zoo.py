"""Golden logits of every network: python zoo.py [--check]

Networks of torchvision and timm with generated weights on two generated images, evaluation mode; for ResNet-50 and
EfficientNet-B0 also one training-mode forward and backward. --check prints how much the logits tell. Format: README.md."""

import argparse
import pathlib

import numpy as np
import timm
import torch
import torch.nn.functional as F
import torchvision
from safetensors.numpy import load_file, save_file

import data

HERE = pathlib.Path(__file__).parent
HEIGHT, WIDTH, CLASSES = 72, 65, 1000
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SYMMETRIC = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)

NETWORKS = {f"resnet{n}": (torchvision.models.__dict__[f"resnet{n}"], IMAGENET) for n in (18, 34, 50, 101, 152)}
NETWORKS |= {"resnext50_32x4d": (torchvision.models.resnext50_32x4d, IMAGENET)}
NETWORKS |= {f"tf_efficientnet_b{n}": (lambda n=n: timm.create_model(f"tf_efficientnet_b{n}"), IMAGENET) for n in range(8)}
NETWORKS |= {"efficientnet_b0": (lambda: timm.create_model("efficientnet_b0"), IMAGENET)}
NETWORKS |= {f"tf_efficientnet_lite{n}": (lambda n=n: timm.create_model(f"tf_efficientnet_lite{n}"), SYMMETRIC)
             for n in range(3)}
TRAINED = "resnet50", "tf_efficientnet_b0"


def parameter(network, name, shape, norm):
    """As data.parameter, but with norms that let a deep network's signal through: SiLU and gates eat more of it than ReLU."""
    if norm and name.endswith(".weight"):
        deep = network.endswith(("b5", "b6", "b7"))
        low, high = (0.6, 1.0) if "efficientnet" not in network else (1.1, 1.4) if deep else (1.2, 1.5)
        return data.stream(name).uniform(shape[0], low, high)
    if len(shape) == 1 and name.endswith(".bias"):
        return np.float32(0.2) * data.stream(name).uniform(shape[0], -1, 1)
    return data.parameter(name, shape)


def build(name, dtype=torch.float64, quiet=False):
    """`quiet`: data.parameter's norms, which keep ReLU inputs off zero, so that rounding flips few of them."""
    make, (mean, deviation) = NETWORKS[name]
    net = make().to(dtype)
    norms = {n for n, m in net.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    with torch.no_grad():
        for key, tensor in net.state_dict().items():
            if not key.endswith("num_batches_tracked"):
                shape = tuple(tensor.shape)
                value = data.parameter(key, shape) if quiet else parameter(name, key, shape, key.rsplit(".", 1)[0] in norms)
                tensor.copy_(torch.from_numpy(np.ascontiguousarray(value)))
    for m in net.modules():
        if isinstance(m, torch.nn.Dropout):
            m.p = 0.0
    net.drop_rate = 0.0
    return net, torch.tensor(mean, dtype=dtype).view(1, 3, 1, 1), torch.tensor(deviation, dtype=dtype).view(1, 3, 1, 1)


def images(batch, height=HEIGHT, width=WIDTH):
    bits = data.stream("zoo/images").bits(batch * height * width * 3) >> np.uint32(24)
    return bits.astype(np.float32).reshape(batch, height, width, 3) / np.float32(255)


def nchw(array, dtype):
    return torch.from_numpy(array).to(dtype).permute(0, 3, 1, 2)


def training(name, dtype):
    """Logits, loss, gradients and running statistics of one training-mode pass over four images."""
    net, mean, deviation = build(name, dtype, quiet=name.startswith("resnet"))
    net.train()
    for m in net.modules():  # the authors' momentum; timm's weights come with it only on request
        if isinstance(m, torch.nn.BatchNorm2d) and name.startswith("tf_"):
            m.momentum = 0.01
    x = nchw(images(4), dtype).requires_grad_()
    labels = torch.from_numpy(data.stream("zoo/labels").below(4, CLASSES))
    logits = net((x - mean) / deviation)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    out = {f"gradient.{n}": p.grad.numpy() for n, p in net.named_parameters()}
    out |= {f"state.{n}": v.numpy() for n, v in net.state_dict().items() if "running" in n}
    out["gradient.images"] = x.grad.permute(0, 2, 3, 1).contiguous().numpy()
    return logits.detach().numpy(), loss.item(), out


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS), help="keep the others as they are")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    file = HERE / "zoo.safetensors"
    golden = load_file(file) if file.exists() else {}
    for name in arguments.only:
        net, mean, deviation = build(name)
        net.eval()
        with torch.no_grad():
            x = (nchw(images(2), torch.float64) - mean) / deviation
            logits = net(x).numpy()
            single = net.float()(x.float()).numpy()
        largest = np.abs(logits).max()
        print(f"{name}: largest logit {largest:.3g}, images differ by {np.abs(logits[0] - logits[1]).max() / largest:.2f} of it, "
              f"float32 errs by {np.abs(single - logits).max() / largest:.1e}", flush=True)
        golden[f"{name}.logits"] = np.float32(logits)
    for name in [n for n in TRAINED if n in arguments.only]:
        logits, loss, tensors = training(name, torch.float64)
        _, _, single = training(name, torch.float32)
        # In front of a batch norm a shift changes nothing: its gradient is zero but for rounding.
        most = max(np.linalg.norm(v) for n, v in tensors.items() if n.startswith("gradient"))
        errors = {n: np.linalg.norm(single[n] - v) / np.linalg.norm(v) for n, v in tensors.items()
                  if np.linalg.norm(v) > 1e-9 * most}
        worst = max(errors, key=errors.get)
        print(f"{name} in training: loss {loss:.4f}, float32 errs by up to {errors[worst]:.1e} ({worst})", flush=True)
        golden[f"{name}.training.logits"] = np.float32(logits)
        golden[f"{name}.training.loss"] = np.float32([loss])
        for n, v in tensors.items():
            golden[f"{name}.training.{n}"] = np.float32(data.summary(n.split(".", 1)[1], v))
    if not arguments.check:
        save_file(golden, file, metadata={"torch": torch.__version__, "timm": timm.__version__})


if __name__ == "__main__":
    main()
