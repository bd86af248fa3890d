"""Sets the time of every operation of three networks beside what the machine can do at most; Markdown.

    python bench/roofline.py build/release/bench/bench_roofline build/release/bench/bench_ops > bench/results/roofline.md

The limit of an operation is the larger of its FLOPs at the measured rate of fused multiply-adds and its traffic at the
measured bandwidth of a triad on arrays of about its size. FLOPs are those of direct convolution: Winograd F(4x4,3x3) takes
a quarter of them and may exceed 100 %; the column beside says what share that is of its own multiplications' limit.
"""

import argparse
import json
import os
import platform
import pathlib
import subprocess

NETWORKS = {"resnet18-cifar": "ResNet-18, CIFAR, batch 64", "resnet50": "ResNet-50, 224 x 224, batch 8",
            "efficientnet-b0": "EfficientNet-B0, 224 x 224, batch 8"}
# multiplications an output against direct
FEWER = {"winograd 4x4": 36 / 144, "winograd 2x2": 16 / 36, "winograd strided": 81 / 144}


def run(program, *options):
    """The fastest of three repetitions of each benchmark: others may use the machine, too."""
    out = subprocess.run([program, "--benchmark_format=json", "--benchmark_repetitions=3", *options], check=True,
                         capture_output=True, text=True).stdout
    best = {}
    for b in json.loads(out)["benchmarks"]:
        if b["run_type"] == "iteration" and ("error_occurred" not in b) and (
                b["name"] not in best or b["real_time"] < best[b["name"]]["real_time"]):
            best[b["name"]] = b
    return list(best.values())


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("roofline", help="bench_roofline")
    parser.add_argument("ops", help="bench_ops")
    parser.add_argument("--network", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--threads", type=int, default=2, choices=(1, 2))
    parser.add_argument("--seconds", type=float, default=0.05, help="for each operation, thrice")
    arguments = parser.parse_args()
    os.environ["ADVPROP_THREADS"] = str(arguments.threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

    peaks = run(arguments.roofline, "--benchmark_min_time=0.1")
    fma = {n: next(b["GFLOP/s"] for b in peaks if b["name"].startswith(f"fma/threads:{n}")) for n in (1, 2)}
    streams = {}  # MiB of one array: GB/s
    print(f"# Each operation's share of what the machine can do\n\n{processor()}, {arguments.threads} threads.\n")
    print(f"Fused multiply-adds: {fma[1]:.0f} GFLOP/s with 1 thread, {fma[2]:.0f} with 2.\n")
    print("| MiB an array | copy, 1 thread, GB/s | triad | copy, 2 threads | triad |\n|---:|---:|---:|---:|---:|")
    for mib in (1, 4, 16, 64, 512):
        rate = {(kind, n): next(b["GB/s"] for b in peaks if b["name"].startswith(f"{kind}/{mib} MiB/threads:{n}"))
                for n in (1, 2) for kind in ("copy", "triad")}
        streams[mib] = rate["triad", arguments.threads]
        print(f"| {mib} | {rate['copy', 1]:.0f} | {rate['triad', 1]:.0f} | {rate['copy', 2]:.0f} | {rate['triad', 2]:.0f} |")

    def limit(b, share=1.0):
        size = b["MB"] / 3
        bandwidth = streams[min(streams, key=lambda mib: abs(mib - size))]
        return max(1e-3 * b["MFLOP"] * share / fma[arguments.threads], 1e-3 * b["MB"] / bandwidth) * 1e6  # microseconds

    for network in arguments.network:
        rows = run(arguments.ops, f"--benchmark_filter=^{network}/", f"--benchmark_min_time={arguments.seconds}")
        print(f"\n## {NETWORKS[network]}\n\nAn AdvProp step with PGD-1, and an evaluation pass. **Bold**: under 60 %.\n")
        print("| operation | for instance | engine | times a step | us | GFLOP/s | GB/s | share of the limit | of Winograd's own |")
        print("|---|---|---|---:|---:|---:|---:|---:|---:|")
        total = {"step": [0, 0], "evaluation": [0, 0]}
        for b in sorted(rows, key=lambda b: -b["real_time"] * (b["step"] + b["evaluation"])):
            layer, _, engine = b.get("label", "").partition(" ")
            share = limit(b) / b["real_time"]
            own = f"{limit(b, FEWER[engine]) / b['real_time']:.0%}" if engine in FEWER else ""
            for where, sums in total.items():
                sums[0] += b[where] * b["real_time"]
                sums[1] += b[where] * limit(b)
            mark = "**" if share < 0.6 else ""
            name = b["name"].removesuffix("/real_time").removeprefix(network + "/")
            print(f"| {name} | {layer} | {engine} | {b['step']:.0f}{' + %.0f' % b['evaluation'] if b['evaluation'] else ''} | "
                  f"{b['real_time']:.0f} | {b.get('GFLOP/s', 0):.0f} | {b['GB/s']:.1f} | {mark}{share:.0%}{mark} | {own} |")
        for where, (time, least) in total.items():
            print(f"\n{'A step' if where == 'step' else 'An evaluation pass'}: {time / 1000:.1f} ms in these operations, "
                  f"{least / 1000:.1f} ms by the limits: {least / time:.0%}.")


if __name__ == "__main__":
    main()
