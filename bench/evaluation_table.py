"""Errors by corruption and severity as Markdown tables, from the evaluation.json of `advprop evaluate`.

    python bench/evaluation_table.py out/ab/evaluation.json > table.md
"""

import json
import sys


EXTRA = {"speckle_noise", "gaussian_blur", "spatter", "saturate"}  # not in means


def percent(fraction):
    return f"{100 * fraction:.2f}"


def table(checkpoint):
    corruptions = checkpoint["corruptions"]
    severities = sorted({s for levels in corruptions.values() for s in levels})
    lines = [
        f"## {checkpoint['name']}: clean {percent(checkpoint['clean']['error'])} %, corrupted "
        f"{percent(checkpoint['corruption_error']['mean'])} %",
        "",
        "| error, % | " + " | ".join(severities) + " | mean |",
        "|---|" + "---:|" * (len(severities) + 1),
    ]
    for name, levels in corruptions.items():
        mean = checkpoint["corruption_error"]["by_corruption"][name]
        lines.append(f"| {name} | " + " | ".join(percent(levels[s]["error"]) for s in severities) + f" | {percent(mean)} |")
    counted = [levels for name, levels in corruptions.items() if name not in EXTRA]
    means = [sum(levels[s]["error"] for levels in counted) / len(counted) for s in severities]
    lines.append("| mean | " + " | ".join(map(percent, means)) + f" | {percent(checkpoint['corruption_error']['mean'])} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        evaluation = json.load(file)
    print("\n".join(map(table, evaluation["checkpoints"])))
