"""Times the same training step here and in PyTorch, alternately, and prints the ratios.

    python bench/compare.py build/release/bench/bench_step [--rounds 5] [--json FILE] [--markdown FILE]

Each round runs our step and then PyTorch's for every case, in processes of their own; the ratio is that of a round, and the
table shows its median and spread. PyTorch runs in both memory formats (and compiled with --compile); its best one counts.
"""

import argparse
import json
import pathlib
import platform
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
CASES = {"demo": "resnet20/demo", "resnet20-fashion": "resnet20/fashion-mnist", "resnet20-cifar": "resnet20/cifar10", "resnet18-cifar": "resnet18/cifar10",
         "resnet50": "resnet50/224", "efficientnet-b0": "efficientnet-b0/224"}


def ours(program, case, method, seconds):
    out = subprocess.run([program, f"--benchmark_filter=^{CASES[case]}/{method}/real_time$", "--benchmark_format=json",
                          f"--benchmark_min_time={seconds}"], check=True, capture_output=True, text=True).stdout
    row = json.loads(out)["benchmarks"][0]
    return {"ms": row["real_time"], "images_per_second": row["items_per_second"], "peak_mib": row["process_MiB"]}


def theirs(case, method, layout, mode, iterations):
    out = subprocess.run([sys.executable, HERE / "pytorch" / "step.py", "--case", case, "--method", method, "--layout", layout,
                          "--mode", mode, "--iterations", str(iterations)], check=True, capture_output=True, text=True).stdout
    row = json.loads(out.splitlines()[-1])
    return {"ms": row["ms_per_step"], "images_per_second": row["images_per_second"], "peak_mib": row["peak_mib"],
            "variant": f"{layout}, {mode}", "framework": row["framework"]}


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="bench_step")
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--method", nargs="+", default=["clean", "advprop-pgd1", "advprop-pgd5"],
                        help="the case demo has clean and advprop-pgd2, which is what it trains with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=4, help="PyTorch steps that are timed a round")
    parser.add_argument("--seconds", type=float, default=2, help="how long ours runs a round, at the least")
    parser.add_argument("--compile", action="store_true", help="also torch.compile")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--markdown", type=pathlib.Path)
    arguments = parser.parse_args()
    variants = [(layout, mode) for mode in (("eager", "compile") if arguments.compile else ("eager",))
                for layout in ("contiguous", "channels_last")]
    results, framework = [], ""
    for case in arguments.case:
        for method in ["clean", "advprop-pgd2"] if case == "demo" else arguments.method:
            rounds = []
            for _ in range(arguments.rounds):
                mine = ours(arguments.program, case, method, arguments.seconds)
                runs = [theirs(case, method, *v, arguments.iterations) for v in variants]
                best = min(runs, key=lambda r: r["ms"])
                framework = best["framework"]
                rounds.append({"ours": mine, "pytorch": best, "ratio": best["ms"] / mine["ms"]})
            ratios = sorted(r["ratio"] for r in rounds)
            middle = lambda who, key: statistics.median(r[who][key] for r in rounds)  # noqa: E731
            results.append({
                "case": case, "method": method, "ratio": statistics.median(ratios), "ratio_min": ratios[0], "ratio_max": ratios[-1],
                "ours_images_per_second": middle("ours", "images_per_second"),
                "pytorch_images_per_second": middle("pytorch", "images_per_second"),
                "ours_peak_mib": middle("ours", "peak_mib"), "pytorch_peak_mib": middle("pytorch", "peak_mib"), "rounds": rounds})
            r = results[-1]
            print(f"{case:18} {method:14} {r['ours_images_per_second']:8.1f} images/s, PyTorch {r['pytorch_images_per_second']:8.1f}: "
                  f"{r['ratio']:.2f} times ({r['ratio_min']:.2f} to {r['ratio_max']:.2f})", flush=True)
    lines = [f"{framework} on {processor()}, 2 threads; {arguments.rounds} alternating rounds, medians.", "",
             "| step | ours, images/s | PyTorch's best, images/s | PyTorch's time / ours | ours, peak MiB | PyTorch, peak MiB |",
             "|---|---:|---:|---:|---:|---:|"]
    lines += [f"| {r['case']}, {r['method']} | {r['ours_images_per_second']:.0f} | {r['pytorch_images_per_second']:.0f} | "
              f"{r['ratio']:.2f} ({r['ratio_min']:.2f}-{r['ratio_max']:.2f}) | {r['ours_peak_mib']:.0f} | {r['pytorch_peak_mib']:.0f} |"
              for r in results]
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(lines) + "\n")
    if arguments.json:
        arguments.json.write_text(json.dumps({"processor": processor(), "framework": framework, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
