"""Writes optimizers.safetensors: five steps of each optimizer, and schedules by the step. Contents: README.md.

Inputs are float32; results are computed in float64 and stored as float32."""

import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file
from timm.optim import RMSpropTF
from timm.scheduler.step_lr import StepLRScheduler

import data

WEIGHTS, BIASES, NORMS, STEPS = 90, 7, 12, 5
RATES = [1.0, 0.5, 0.25, 2.0, 1.5]  # what the schedule multiplies the learning rate with
golden = {}


def make(name):
    count = WEIGHTS + BIASES + NORMS
    return torch.from_numpy(data.stream(f"optimizers/{name}").uniform(count, -1, 1)).double()


def put(name, value):
    golden[name] = np.ascontiguousarray(value, np.float32)


def optimizer(case, rule, make_optimizer, rate, decay, slots, clip=0.0):
    """One tensor for each kind of parameter; those that are not decayed are a group of their own."""
    params = [p.clone().requires_grad_() for p in make("start").split([WEIGHTS, BIASES, NORMS])]
    decayed = 2 if rule == "weights_and_biases" else 1
    optimizer = make_optimizer([{"params": params[:decayed], "weight_decay": decay},
                                {"params": params[decayed:], "weight_decay": 0.0}])
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = rate * RATES[step]
        for p, g in zip(params, make(f"gradient{step + 1}").split([WEIGHTS, BIASES, NORMS])):
            p.grad = g.clone()
        if clip:
            torch.nn.utils.clip_grad_norm_(params, clip)
        optimizer.step()
        put(f"{case}.values{step + 1}", torch.cat(params).detach())
    for slot in slots:
        put(f"{case}.{slot}", torch.cat([optimizer.state[p][slot] for p in params]))


def optimizers():
    put("start", make("start"))
    put("factors", RATES)
    for step in range(1, STEPS + 1):
        put(f"gradient{step}", make(f"gradient{step}"))
    for momentum in (0.9, 0.0):
        slots = ["square_avg"] + ["momentum_buffer"] * (momentum > 0)
        optimizer(f"rmsprop.momentum{momentum}", "weights_and_biases",
                  lambda p: RMSpropTF(p, alpha=0.9, eps=1e-3, momentum=momentum), 0.016, 0.1, slots)
    optimizer("rmsprop.weights", "weights", lambda p: RMSpropTF(p, alpha=0.8, eps=0.1, momentum=0.5), 0.05, 0.1,
              ["square_avg", "momentum_buffer"], clip=2.0)
    optimizer("adamw.default", "weights", torch.optim.AdamW, 1e-3, 1e-2, ["exp_avg", "exp_avg_sq"])
    optimizer("adamw.both", "weights_and_biases", lambda p: torch.optim.AdamW(p, betas=(0.8, 0.95), eps=1e-2),
              0.05, 0.5, ["exp_avg", "exp_avg_sq"], clip=2.0)
    optimizer("sgd.both", "weights_and_biases", lambda p: torch.optim.SGD(p, lr=1, momentum=0.9, nesterov=True), 0.05,
              0.1, ["momentum_buffer"], clip=2.0)
    rates("sgd.rates", lambda p: torch.optim.SGD(p, lr=1, momentum=0.9, nesterov=True), 0.05, 0.1, ["momentum_buffer"],
          [0.0])
    rates("adamw.rates", lambda p: torch.optim.AdamW(p, eps=1e-2), 0.05, 0.5, ["exp_avg", "exp_avg_sq"], [0.0, 0.0])
    rates("rmsprop.rates", lambda p: RMSpropTF(p, alpha=0.9, eps=1e-3, momentum=0.9), 0.016, 0.1,
          ["square_avg", "momentum_buffer"], [1.0, 0.0])


RATES_OF_PARTS = [0.1, 0.0, 2.0]


def rates(case, make_optimizer, rate, decay, slots, initial):
    """Weights learn at a tenth of the rate, norms at twice the rate, and biases are left out, as where requires_grad is
    false: their slots are as ours begin."""
    params = [p.clone().requires_grad_() for p in make("start").split([WEIGHTS, BIASES, NORMS])]
    learnt = [0, 2]
    optimizer = make_optimizer([{"params": params[i], "weight_decay": decay if i == 0 else 0.0} for i in learnt])
    for step in range(STEPS):
        for group, i in zip(optimizer.param_groups, learnt):
            group["lr"] = rate * RATES[step] * RATES_OF_PARTS[i]
        gradients = make(f"gradient{step + 1}").split([WEIGHTS, BIASES, NORMS])
        for i in learnt:
            params[i].grad = gradients[i].clone()
        torch.nn.utils.clip_grad_norm_([params[i] for i in learnt], 2.0)
        optimizer.step()
        put(f"{case}.values{step + 1}", torch.cat(params).detach())
    for slot, first in zip(slots, initial):
        own = [optimizer.state[params[i]][slot] for i in learnt]
        put(f"{case}.{slot}", torch.cat([own[0], torch.full([BIASES], first).double(), own[1]]))


def schedules(epochs=20, steps=5):
    """The factor of every step, by timm's scheduler in steps and by torch's."""
    sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    for case, warm_up in (("staircase", 0), ("warmup5_staircase", 5)):
        scheduler = StepLRScheduler(sgd, decay_t=2.4 * steps, decay_rate=0.97, warmup_t=warm_up * steps,
                                    warmup_lr_init=0, warmup_prefix=False, t_in_epochs=False)
        put(f"schedule.{case}", [scheduler._get_lr(t)[0] for t in range(epochs * steps)])
    sgd.param_groups[0]["lr"] = 1.0
    exponential, rates = torch.optim.lr_scheduler.ExponentialLR(sgd, 0.97 ** (1 / (2.4 * steps))), []
    for _ in range(epochs * steps):
        rates.append(sgd.param_groups[0]["lr"])
        sgd.step()
        exponential.step()
    put("schedule.exponential", rates)


optimizers()
schedules()
save_file(golden, pathlib.Path(__file__).with_name("optimizers.safetensors"))
