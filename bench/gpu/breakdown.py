"""Where the time of a step goes: what bench_gpu_step --trace noted of kernels, by kind of work, beside the work that was planned and the
most that the GPU does."""

from __future__ import annotations

import re

MATRICES = "convolutions, linear layers"  # of cuDNN and cuBLASLt, with what is fused into them
KINDS = [  # of operations and of kernels, both by the name of the function
    ("weights", r"^pack|^fold_|^conv_backward_weight kernel"),  # packed before their use, unpacked after
    ("depthwise convolutions", r"depthwise"),
    ("batch norms", r"^norm_"),
    ("optimizer", r"_update\b|^clip_factor|^squared_norm|^cuda_update_guard"),
    ("loss", r"^cross_entropy|^softmax|^loss_of"),
    ("attack", r"^transform|^fill_|^draw_wrong|^image_norms|^mean_magnitudes|^predict"),
    ("copies, fills", r"^copy$|^fill\b|^memory_"),
    (MATRICES, r"^conv|^linear"),
]
OTHERS = "other maps"


def function_of(kernel: str) -> str | None:
    """The library's function whose loop a kernel is; None: it is another library's."""
    if kernel in ("copy", "fill"):
        return kernel
    if "advprop::" not in kernel:
        return None
    named = re.search(r"&\(?(?:[\w:<> ]*? )?advprop::(?:detail::)?(\w+)", kernel) or re.search(r"_kernel<advprop::(?:detail::)?(\w+)", kernel)
    return f"{named[1]} kernel" if named else "unknown kernel"


def kind_of(name: str) -> str:
    return next((kind for kind, pattern in KINDS if re.search(pattern, name)), OTHERS)


def breakdown(trace: dict) -> dict:
    """Of a step: kernels, the share of its time that they cover, and by kind of work how many, microseconds, and the share of what the
    GPU does at most, of products for matrices and of copies for the rest."""
    kinds: dict[str, dict[str, float]] = {}

    def add(kind: str, **numbers: float) -> None:
        sums = kinds.setdefault(kind, {"kernels": 0, "microseconds": 0, "flops": 0, "bytes": 0})
        for key, value in numbers.items():
            sums[key] += value

    for kernel, count, microseconds in trace["by_name"]:
        function = function_of(kernel)
        add(MATRICES if function is None else kind_of(function), kernels=count, microseconds=microseconds)
    for operation, _, flops, size in trace["work"]:
        add(kind_of(operation), flops=flops, bytes=size)
    for kind, sums in kinds.items():
        if sums["microseconds"] > 0:
            done, most = (("flops", 1e12 * trace["most"]["tera_operations"]) if kind == MATRICES else
                          ("bytes", 1e9 * trace["most"]["gigabytes"]))
            sums["share"] = sums[done] / (1e-6 * sums["microseconds"]) / most
    ordered = sorted(kinds.items(), key=lambda item: -item[1]["microseconds"])
    return {"kernels": trace["kernels"], "covered": trace["covered"], "most": trace["most"], "kinds": dict(ordered)}


def table(found: dict[str, dict]) -> list[str]:
    """Markdown of breakdowns by step."""
    lines: list[str] = []
    for step, b in found.items():
        lines += ["", f"A step of {step}: {b['kernels']:.0f} kernels, copies and fills, which cover {b['covered']:.1%} of its time. At most, the GPU "
                  f"does {b['most']['tera_operations']:.0f} TFLOP/s (products of large matrices) and {b['most']['gigabytes']:.0f} GB/s (copies).", "",
                  "| | kernels | ms | share of the most |", "|---|---:|---:|---:|"]
        lines += [f"| {kind} | {s['kernels']:.0f} | {1e-3 * s['microseconds']:.2f} | {s['share']:.0%} |" if "share" in s else
                  f"| {kind} | {s['kernels']:.0f} | {1e-3 * s['microseconds']:.2f} | |" for kind, s in b["kinds"].items() if s["kernels"] > 0]
    return lines
