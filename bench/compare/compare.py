"""Times the same step here and in PyTorch, alternately, and prints the ratios.

    python bench/compare/compare.py build/release/bench/bench_step [--rounds 5] [--json FILE] [--markdown FILE]

Every variant of PyTorch (memory formats, eager and compiled) is a process that stays alive and waits. In each round every
variant runs a few steps right after a few of ours, because a shared machine's speed changes within minutes; the variant's
ratio is the median over the rounds of PyTorch's time by ours, and the variant with the smallest ratio is the one reported.
Peak memory is the resident size of a whole process; `imported` is what PyTorch's has before there is a network.
"""

import argparse
import itertools
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
CASES = {"demo": "resnet20/demo", "resnet20-fashion": "resnet20/fashion-mnist", "resnet20-cifar": "resnet20/cifar10",
         "resnet18-cifar": "resnet18/cifar10", "resnet50": "resnet50/224", "efficientnet-b0": "efficientnet-b0/224"}
TARGETS = [("resnet18-cifar", "advprop-pgd5"), ("resnet50", "advprop-pgd1"), ("efficientnet-b0", "advprop-pgd1"),
           ("resnet20-cifar", "advprop-pgd5"), ("resnet50", "evaluate"), ("efficientnet-b0", "evaluate")]


def ours(program, case, method, seconds):
    out = subprocess.run([program, f"--benchmark_filter=^{CASES[case]}/{method}/real_time$", "--benchmark_format=json",
                          f"--benchmark_min_time={seconds}"], check=True, capture_output=True, text=True).stdout
    row = json.loads(out)["benchmarks"][0]
    return {"ms": row["real_time"], "peak_mib": row["process_MiB"], "arena_mib": row["arena_MiB"]}


class theirs:
    """One variant of PyTorch's step, alive until `close`."""

    def __init__(self, case, method, layout, mode, passes, iterations):
        self.name = ", ".join((mode, layout) + ((passes,) if passes != "sequential" else ()))
        self.process = subprocess.Popen(
            [sys.executable, HERE / "step.py", "--wait", "--case", case, "--method", method, "--layout", layout, "--mode", mode,
             "--passes", passes, "--iterations", str(iterations)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.ready = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name}: PyTorch's process ended")
        return json.loads(line)

    def run(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.read()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def compare(arguments, case, method):
    modes = [("sequential", "concatenated")[:2 if arguments.concatenated and method.startswith("advprop") else 1]]
    variants = [theirs(case, method, layout, mode, passes, arguments.iterations) for mode, layout, passes in
                itertools.product(arguments.mode, ("contiguous", "channels_last"), *modes)]
    mine, rows = [], {v.name: [] for v in variants}
    for _ in range(arguments.rounds):
        for v in variants:
            mine.append(ours(arguments.program, case, method, arguments.seconds))
            row = v.run()
            rows[v.name].append({"ours_ms": mine[-1]["ms"], "ms": row["ms_per_step"], "ratio": row["ms_per_step"] / mine[-1]["ms"],
                                 "peak_mib": row["peak_mib"], "imported_mib": row["imported_mib"]})
    for v in variants:
        v.close()
    name, best = min(rows.items(), key=lambda r: statistics.median(x["ratio"] for x in r[1]))
    ratios = sorted(r["ratio"] for r in best)
    peak, arena = (statistics.median(m[key] for m in mine) for key in ("peak_mib", "arena_mib"))
    return {"case": case, "method": method, "variant": name, "ratio": statistics.median(ratios), "ratio_min": ratios[0],
            "ratio_max": ratios[-1], "ours_ms": statistics.median(r["ours_ms"] for r in best),
            "pytorch_ms": statistics.median(r["ms"] for r in best), "ours_peak_mib": peak, "ours_arena_mib": arena,
            "pytorch_peak_mib": best[-1]["peak_mib"], "pytorch_imported_mib": best[-1]["imported_mib"],
            "framework": variants[0].ready["framework"], "rounds": rows}


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def markdown(results, rounds):
    lines = [f"{results[0]['framework']} on {processor()}, 2 threads; medians of {rounds} alternating rounds, with the least and the "
             "largest ratio.", "",
             "| step | ours, ms | PyTorch, ms | its best setting | PyTorch's time / ours | ours, peak MiB (arena) | "
             "PyTorch, peak MiB (after import) | memory, ours / PyTorch |", "|---|---:|---:|---|---:|---:|---:|---:|"]
    for r in results:
        lines.append(f"| {r['case']}, {r['method']} | {r['ours_ms']:.0f} | {r['pytorch_ms']:.0f} | {r['variant']} | {r['ratio']:.2f} "
                     f"({r['ratio_min']:.2f}-{r['ratio_max']:.2f}) | {r['ours_peak_mib']:.0f} ({r['ours_arena_mib']:.0f}) | "
                     f"{r['pytorch_peak_mib']} ({r['pytorch_imported_mib']}) | {r['ours_peak_mib'] / r['pytorch_peak_mib']:.2f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="bench_step")
    parser.add_argument("--case", nargs="+", choices=CASES, help="with --method; without them the steps that have a target")
    parser.add_argument("--method", nargs="+", help="evaluate, clean, clean-head, advprop-pgd1, advprop-pgd5; the case demo has advprop-pgd2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=2, help="PyTorch's steps a round")
    parser.add_argument("--seconds", type=float, default=0.5, help="how long ours runs a round, at the least")
    parser.add_argument("--mode", nargs="+", choices=("eager", "compile"), default=["eager", "compile"])
    parser.add_argument("--concatenated", action="store_true", help="PyTorch also with both domains in one batch")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--markdown", type=pathlib.Path)
    arguments = parser.parse_args()
    if bool(arguments.case) != bool(arguments.method):
        parser.error("--case and --method go together")
    steps = list(itertools.product(arguments.case, arguments.method)) if arguments.case else TARGETS
    results = []
    for case, method in steps:
        results.append(compare(arguments, case, method))
        print(markdown(results[-1:], arguments.rounds).splitlines()[-1], flush=True)
        if arguments.markdown:
            arguments.markdown.write_text(markdown(results, arguments.rounds))
        if arguments.json:
            arguments.json.write_text(json.dumps({"processor": processor(), "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
