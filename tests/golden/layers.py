"""Writes layers.safetensors: small cases of single operations where PyTorch's meaning matters. Contents: README.md.

Inputs are float32; results are computed in float64 and stored as float32."""

import pathlib

import numpy as np
import torch
import torch.nn.functional as F
import torchattacks
from safetensors.numpy import save_file

import data

golden = {}


def put(name, **tensors):
    for key, value in tensors.items():
        value = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        golden[f"{name}.{key}"] = np.ascontiguousarray(value, np.float32)


def make(name, *shape, low=-1.0, high=1.0):
    value = data.stream(f"layers/{name}").uniform(int(np.prod(shape)), low, high).reshape(shape)
    return torch.from_numpy(value).double().requires_grad_()


def gradients(name, y, **inputs):
    """Random output gradient dy, and what it gives for every input."""
    dy = make(f"{name}/dy", *y.shape).detach()
    grads = torch.autograd.grad(y, list(inputs.values()), dy)
    put(name, **inputs, y=y, dy=dy, **{f"d{k}": g for k, g in zip(inputs, grads)})


def layers():
    #             batch in out k s p groups height width
    for case, (n, i, o, k, s, p, g, h, w) in {
            "odd_stride2": (2, 5, 6, 3, 2, 1, 1, 7, 9), "even_stride2": (2, 3, 9, 3, 2, 1, 1, 8, 6),
            "stem7": (1, 3, 4, 7, 2, 3, 1, 11, 9), "point_stride2": (2, 10, 7, 1, 2, 0, 1, 5, 7),
            "grouped": (2, 8, 12, 3, 1, 1, 4, 5, 4), "depthwise5": (2, 9, 9, 5, 2, 2, 9, 7, 7)}.items():
        x, weight = make(f"{case}/x", n, i, h, w), make(f"{case}/w", o, i // g, k, k)
        put(f"conv.{case}", spec=[i, o, k, s, p, g])
        gradients(f"conv.{case}", F.conv2d(x, weight, None, s, p, 1, g), x=x, weight=weight)
    for training in (True, False):
        name = "batch_norm.train" if training else "batch_norm.eval"
        x, weight, bias = make("bn/x", 4, 10, 3, 2, low=-1, high=3), make("bn/w", 10), make("bn/b", 10)
        mean, variance = make("bn/mean", 10).detach(), make("bn/var", 10, low=0.5, high=1.5).detach()
        put(name, running_mean=mean, running_var=variance)
        y = F.batch_norm(x, mean, variance, weight, bias, training, 0.1, 1e-5)
        gradients(name, y, x=x, weight=weight, bias=bias)
        put(name, running_mean_after=mean, running_var_after=variance)
    for case, (k, s, p, h, w) in {"k3s2p1": (3, 2, 1, 7, 6), "k2s2": (2, 2, 0, 5, 6)}.items():
        ties = (make(f"pool/{case}", 2, 9, h, w) * 2.5).detach().round().requires_grad_()
        put(f"max_pool.{case}", spec=[k, s, p])
        gradients(f"max_pool.{case}", F.max_pool2d(ties, k, s, p), x=ties)
        for inside, kind in ((True, "average_pool"), (False, "average_pool_exclude_padding")):
            x = make(f"pool/{case}/a", 2, 9, h, w)
            put(f"{kind}.{case}", spec=[k, s, p])
            gradients(f"{kind}.{case}", F.avg_pool2d(x, k, s, p, count_include_pad=inside), x=x)
    x = make("silu", 2, 9, 3, 3, low=-6, high=6)
    gradients("silu", F.silu(x), x=x)
    x, weight, bias = make("linear/x", 4, 11), make("linear/w", 5, 11), make("linear/b", 5)
    gradients("linear", F.linear(x, weight, bias), x=x, weight=weight, bias=bias)
    for smoothing in (0.0, 0.1):
        logits, labels = make("ce", 6, 10, low=-8, high=8), torch.from_numpy(data.stream("layers/ce/labels").below(6, 10))
        loss = F.cross_entropy(logits, labels, label_smoothing=smoothing)
        put(f"cross_entropy.{smoothing}", logits=logits, labels=labels, loss=[loss.item()],
            dlogits=torch.autograd.grad(loss, logits)[0])


def training():
    for case, options in {"plain": {}, "momentum": {"momentum": 0.9}, "nesterov": {"momentum": 0.9, "nesterov": True}}.items():
        w = make("sgd/w", 12)
        put(f"sgd.{case}", options=[0.1, options.get("momentum", 0), 5e-4, "nesterov" in options], w=w)
        sgd = torch.optim.SGD([w], lr=0.1, weight_decay=5e-4, **options)
        for step in range(1, 4):
            w.grad = make(f"sgd/g{step}", 12).detach()
            sgd.step()
            put(f"sgd.{case}", **{f"gradient{step}": w.grad, f"w{step}": w})
    schedules = torch.optim.lr_scheduler
    for case, factory in {
            "constant": lambda o: schedules.ConstantLR(o, 1.0),
            "cosine20": lambda o: schedules.CosineAnnealingLR(o, 20),
            "step_8_14_gamma01": lambda o: schedules.MultiStepLR(o, [8, 14], 0.1),
            "warmup5_cosine15": lambda o: schedules.SequentialLR(
                o, [schedules.LambdaLR(o, lambda t: t / 5), schedules.CosineAnnealingLR(o, 15)], [5])}.items():
        sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        scheduler, rates = factory(sgd), []
        for _ in range(20):
            rates.append(sgd.param_groups[0]["lr"])
            sgd.step()
            scheduler.step()
        put("rate", **{case: rates})
    w = make("clip", 30)
    w.grad = make("clip/g", 30).detach()
    put("clip_norm_1", gradient=w.grad)
    total = torch.nn.utils.clip_grad_norm_([w], 1.0)
    put("clip_norm_1", norm=[total.item()], clipped=w.grad)


def attacks():
    n, extent, channels, classes = 3, 4, 3, 5
    images = make("attack/x", n, extent, extent, channels, low=0, high=1).detach()
    images = (images * 1.2 - 0.1).clamp(0, 1).float().double()  # some pixels stand at the borders of the range
    labels = torch.from_numpy(data.stream("layers/attack/labels").below(n, classes))
    weight = make("attack/w", classes, extent * extent * channels, low=-4, high=4).detach()
    bias = make("attack/b", classes).detach()
    put("attack", images=images, labels=labels, weight=weight, bias=bias)

    planes = weight.view(classes, extent, extent, channels).permute(0, 3, 1, 2).flatten(1)

    class model(torch.nn.Module):  # logits = weight * (pixels - 1/2)^2 + bias: signs change on the way
        def __init__(self):
            super().__init__()
            self.unused = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))

        def forward(self, x):
            return F.linear((x.flatten(1) - 0.5) ** 2, planes, bias)

    for case, attack in {
            "fgsm_4": torchattacks.FGSM(model(), eps=4 / 255),
            "ifgsm_64_24_7": torchattacks.BIM(model(), eps=64 / 255, alpha=24 / 255, steps=7),
            "pgd_64_24_7": torchattacks.PGD(model(), eps=64 / 255, alpha=24 / 255, steps=7, random_start=False),
            "mifgsm_64_24_7_decay1": torchattacks.MIFGSM(model(), eps=64 / 255, alpha=24 / 255, steps=7, decay=1.0),
            "mifgsm_64_24_7_decay05": torchattacks.MIFGSM(model(), eps=64 / 255, alpha=24 / 255, steps=7, decay=0.5),
            "pgd_l2_128_32_1": torchattacks.PGDL2(model(), eps=128 / 255, alpha=32 / 255, steps=1, random_start=False),
            "pgd_l2_128_64_6": torchattacks.PGDL2(model(), eps=128 / 255, alpha=64 / 255, steps=6, random_start=False),
    }.items():
        adversarial = attack(images.permute(0, 3, 1, 2).contiguous(), labels)
        put(f"attack.{case}", adversarial=adversarial.permute(0, 2, 3, 1))


layers()
training()
attacks()
save_file(golden, pathlib.Path(__file__).with_name("layers.safetensors"))
