"""What bench/gpu/run has found out so far: a JSON file and a Markdown table, written anew after every outcome.

An outcome has a name, "stage/what", and a status: "done", "failed" or "not run", the last two with a reason in `failure`.
"""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import re
import sys

import breakdown

DONE, FAILED, NOT_RUN = "done", "failed", "not run"


def write(file: pathlib.Path, text: str) -> None:
    """The file has the old text or the new one, whenever this ends."""
    new = file.with_name(file.name + ".new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, file)


class Results:
    def __init__(self, folder: pathlib.Path, device: dict, commit: str, previous: pathlib.Path | None, fresh: bool):
        name = re.sub(r"[^a-z0-9]+", "-", device["name"].lower()).strip("-")
        folder.mkdir(parents=True, exist_ok=True)
        self.json, self.markdown = folder / f"gpu-{name}.json", folder / f"gpu-{name}.md"
        self.log, self.build_log = folder / "gpu.log", folder / "build.log"  # of all programs: some places give back few files
        self.device, self.commit = device, commit
        self.dates: list[str] = []
        self.outcomes: dict[str, dict] = {}
        earlier = [previous] if previous else []
        if previous and previous.is_dir():
            earlier = sorted(previous.glob("gpu-*.json")) or sys.exit(f"bench/gpu/run: --previous {previous} holds no gpu-*.json")
        if self.json.exists() and not fresh:
            earlier.append(self.json)
        for file in earlier:
            self.merge(file)
        today = datetime.date.today().isoformat()
        self.dates += [] if today in self.dates else [today]

    def merge(self, file: pathlib.Path) -> None:
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
            other = {"commit": known["commit"], "GPU": known["gpu"]["name"], "driver": known["gpu"]["driver"]}
            outcomes, dates = known["outcomes"], known["dates"]
        except (OSError, ValueError, KeyError, TypeError) as e:
            sys.exit(f"bench/gpu/run: {file} holds no results to add to ({type(e).__name__}: {e}); --fresh begins anew")
        this = {"commit": self.commit, "GPU": self.device["name"], "driver": self.device["driver"]}
        for what, value in this.items():
            if other[what] != value:
                sys.exit(f"bench/gpu/run: {file} is of {what} {other[what]}, this is {value}: results of the two are not to be mixed; "
                         "give another --output, or --fresh to begin anew")
        for name, outcome in outcomes.items():
            if outcome["status"] == DONE or self.status(name) != DONE:
                self.outcomes[name] = outcome
        self.dates += [d for d in dates if d not in self.dates]

    def status(self, name: str) -> str:
        return self.outcomes.get(name, {}).get("status", NOT_RUN)

    def record(self, name: str, status: str, **what: object) -> None:
        self.outcomes[name] = {"status": status, **what}
        self.save()

    def save(self) -> None:
        write(self.json, json.dumps({"gpu": self.device, "commit": self.commit, "dates": self.dates, "outcomes": self.outcomes},
                                    indent=1) + "\n")
        write(self.markdown, self.table())

    def of(self, stage: str) -> dict[str, dict]:
        """Outcomes that there is something to be said of."""
        return {name[len(stage) + 1:]: o for name, o in self.outcomes.items()
                if name.startswith(stage + "/") and o != {"status": NOT_RUN}}

    def best(self, step: str) -> tuple[str, dict, str] | None:
        """The fastest of PyTorch's variants that ran and computed what the eager one does; and how many of them there are, where
        others did not."""
        variants = [(name.split("/", 1)[1], o) for name, o in self.outcomes.items() if name.startswith(f"pytorch/{step}, ")]
        rows = [(name[len(step) + 2:], o["row"]) for name, o in variants if o["status"] == DONE]
        if not rows:
            return None
        return *max(rows, key=lambda r: r[1]["images_per_second"]), "" if len(rows) == len(variants) else f", {len(rows)} of {len(variants)}"

    def table(self) -> str:
        remaining = [name for name, o in self.outcomes.items() if o == {"status": NOT_RUN}]
        lines = [f"# {self.device['name']}", "",
                 f"`bench/gpu/run`, {', '.join(self.dates)}, commit {self.commit}; driver {self.device['driver']}.", ""]
        for name, o in self.of("build").items():
            lines.append(f"Build, {name}: {remark(o) or o.get('how', 'done')}.")
        tests = self.of("tests")
        every = [o["status"] for name, o in self.outcomes.items() if name.startswith("tests/")]
        counts = [every.count(s) for s in (DONE, FAILED, NOT_RUN)]
        if every:
            lines.append("GPU tests, files: {} passed, {} FAILED, {} not run.".format(*counts))
        steps, variants = self.of("ours"), self.of("pytorch")
        if steps:
            lines += ["", "| step | images/s | PyTorch's best | ratio | wanted | peak MiB | PyTorch's | |",
                      "|---|---:|---:|---:|---:|---:|---:|---|"]
        for step, o in steps.items():
            row, best = o.get("row"), self.best(step)
            lines.append("| " + " | ".join([
                step, f"{row['images_per_second']:.0f}" if row else o["status"],
                f"{best[1]['images_per_second']:.0f} ({best[0]}{best[2]})" if best else "",
                f"{row['images_per_second'] / best[1]['images_per_second']:.2f}" if row and best else "", str(o.get("wanted") or ""),
                str(row["peak_mib"]) if row else "", str(best[1]["peak_mib"]) if best else "", remark(o)]) + " |")
        if variants:
            lines += ["", "| PyTorch | images/s | peak MiB | warm-up, s | |", "|---|---:|---:|---:|---|"]
        for name, o in variants.items():
            row = o.get("row", {})
            lines.append(f"| {name} | {row.get('images_per_second', '')} | {row.get('peak_mib', '')} | {row.get('warm_up_s', '')} | "
                         f"{remark(o) or ('' if 'equal' in row else 'numbers not compared with the eager ones')} |")
        lines += breakdown.table({name: o["breakdown"] for name, o in self.of("trace").items() if o["status"] == DONE})
        for what, of in (("GPU tests", tests), ("compute-sanitizer", self.of("sanitizer"))):
            if of:
                lines += ["", f"| {what} | cases | passed | failed | seconds | |", "|---|---:|---:|---:|---:|---|"]
            for name, o in of.items():
                lines.append(f"| {name} | {o.get('cases', '')} | {o.get('passed', '')} | {o.get('failed', '')} | {o.get('seconds', '')} | "
                             f"{'passed' if o['status'] == DONE else remark(o)} |")
        if remaining:
            lines += ["", f"Not run: {'; '.join(remaining)}."]
        for name, o in self.outcomes.items():
            if o["status"] == FAILED and o.get("tail"):
                lines += ["", f"{name}:", "", "```", *o["tail"], "```"]
        return "\n".join(lines) + "\n"


def remark(outcome: dict) -> str:
    if outcome["status"] == DONE:
        return ""
    text = outcome["status"] + (f": {outcome['failure']}" if outcome.get("failure") else "")
    return text.replace("|", "\\|").replace("\n", " ")
