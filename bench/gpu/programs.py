"""The GPU of this machine, and the two programs that bench/gpu/run needs: built here, or carried from elsewhere."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from command import Ended, stream

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH, TESTS = "bench_gpu_step", "test_gpu"
CUDA = 13  # the toolkit that the library is for


def stop(message: str) -> None:
    sys.exit(f"bench/gpu/run: {message}")


def gpu() -> dict[str, str]:
    """Its name, driver and compute capability. Ends the script where there is none that can be used."""
    try:
        asked = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader"],
                               capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as e:
        stop(f"no GPU here: nvidia-smi: {e}")
    rows = asked.stdout.strip().splitlines()
    if asked.returncode or not rows or rows[0].count(",") != 2:
        stop(f"no GPU here: nvidia-smi says {(asked.stdout + asked.stderr).strip()!r}")
    name, driver, capability = (part.strip() for part in rows[0].split(","))
    if not re.fullmatch(r"\d+\.\d+", capability) or float(capability) < 8:
        stop(f"{name} has compute capability {capability}; 8.0 is needed")
    try:  # and not the driver's number: a newer user-mode driver may stand before it
        version = ctypes.c_int()
        if ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version)) == 0 and version.value < 1000 * CUDA:
            stop(f"the driver is too old: {driver} is for CUDA {version.value // 1000}.{version.value % 1000 // 10}, {CUDA}.0 is needed")
    except (OSError, AttributeError) as e:
        stop(f"no GPU here: the driver's library cannot be loaded: {e}")
    return {"name": name, "driver": driver, "capability": capability}


def commit_of(given: str | None, folder: pathlib.Path | None) -> str:
    """What was given, or what git says, or else the commit of the carried programs, which must be this one's."""
    packed = None
    if folder:
        try:
            packed = json.loads((folder / "programs.json").read_text())["commit"]
        except (OSError, ValueError, KeyError, TypeError) as e:
            stop(f"--programs {folder} is not a folder that --pack made: {e}")
    if not given:
        try:
            asked = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=9", "--exclude=*"],
                                   capture_output=True, text=True)
            given, problem = asked.stdout.strip() if asked.returncode == 0 else packed, asked.stderr.strip()
        except OSError as e:
            given, problem = packed, str(e)
        if not given:
            stop(f"git cannot tell which commit this is ({problem}): say it with --commit")
    if packed not in (None, given):
        stop(f"--programs {folder} is of commit {packed}, this is {given}: pack it anew")
    return given


def libraries() -> list[str]:
    """Folders of cuDNN's and CUDA's libraries in Python's packages."""
    found = importlib.util.find_spec("nvidia")
    folders = found.submodule_search_locations if found else []
    return [str(lib) for folder in folders or [] for lib in sorted(pathlib.Path(folder).glob("*/lib"))]


def cupti() -> str:
    """CUPTI's library, of Python's packages or the toolkit's; or its name, for the loader to find."""
    folders = [*libraries(), "/usr/local/cuda/lib64", "/usr/local/cuda/extras/CUPTI/lib64"]
    found = [file for folder in folders for file in sorted(pathlib.Path(folder).glob(f"libcupti.so.{CUDA}*"))]
    return str(found[0]) if found else f"libcupti.so.{CUDA}"


def environment(program: pathlib.Path, carried: pathlib.Path | None) -> dict[str, str]:
    """With the libraries that a program does not find by itself: those of Python's packages only if it must, as they would go before
    those that it was built against."""
    def paths(*more: str) -> dict[str, str]:
        known = os.environ.get("LD_LIBRARY_PATH", "").split(":") + ([str(carried / "lib")] if carried else [])
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(p for p in (*known, *more) if p)}

    loaded = subprocess.run(["ldd", str(program)], capture_output=True, text=True, env=paths()).stdout
    return paths(*libraries()) if "not found" in loaded else paths()


class Programs:
    """Where they are; `carried` was made by `pack` and holds both."""

    def __init__(self, build: pathlib.Path, carried: pathlib.Path | None = None):
        self.build, self.carried = build, carried

    def __getitem__(self, name: str) -> pathlib.Path:
        if self.carried:
            return self.carried / name
        return self.build / ("bench" if name == BENCH else "tests") / name

    def environment(self) -> dict[str, str]:
        return environment(self[TESTS], self.carried)

    def cudnn(self) -> str:
        """Which one the programs load."""
        loaded = subprocess.run(["ldd", str(self[TESTS])], capture_output=True, text=True, env=self.environment()).stdout
        found = re.search(r"=> (\S*/libcudnn\.so\S*)", loaded)
        try:
            return f"cuDNN {ctypes.CDLL(found[1]).cudnnGetVersion()}" if found else "cuDNN not found"
        except (OSError, AttributeError) as e:
            return f"cuDNN {found[1]} does not load: {e}"

    def check(self, log: pathlib.Path, seconds: float) -> Ended:
        """Whether a kernel of theirs runs here. Ends the script where nothing could."""
        ended = stream([self[BENCH], "--check"], log, min(seconds, 120), environment=self.environment(), folder=ROOT)
        text = "\n".join(ended.tail)
        if "driver version is insufficient" in text:
            stop(f"the driver is too old for CUDA {CUDA}: {text}")
        if "there is no usable GPU" in text:
            stop(f"no GPU here: {text}")
        if re.search("no kernel image|kernel image is invalid|unsupported toolchain|PTX", text):
            ended.failure = f"{self[BENCH]} was built for another GPU"
        elif ended.failure:
            ended.failure = f"{self[BENCH]} does not start: {ended.failure}: {' '.join(ended.tail[-3:])}"
        elif self.carried:
            started = stream([self[TESTS], "--count"], log, 60, environment=self.environment(), folder=ROOT)
            if started.failure:
                ended.failure = f"{self[TESTS]} does not start: {started.failure}: {' '.join(started.tail[-3:])}"
        return ended


def configure(build: pathlib.Path, dependencies: str | None, log: pathlib.Path, seconds: float, *more: str) -> Ended:
    options = ["-DCMAKE_BUILD_TYPE=Release", "-DADVPROP_CUDA=ON", "-DADVPROP_FETCH=OFF", "-DADVPROP_BUILD_BENCH=ON",
               "-DADVPROP_BUILD_EXAMPLES=OFF", "-DADVPROP_TEST_PACKAGING=OFF", "-DADVPROP_WERROR=OFF",  # compilers not seen before
               f"-DADVPROP_CUDNN_PYTHON={sys.executable}", *more]
    if dependencies:
        options.append(f"-DCMAKE_PREFIX_PATH={pathlib.Path(dependencies).resolve() / 'usr'}")
    return stream(["cmake", "-S", ROOT, "-B", build, "-G", "Ninja", *options], log, seconds)


def make(build: pathlib.Path, log: pathlib.Path, seconds: float) -> tuple[Ended, list[str]]:
    """Builds as much as it can, and says which of the two programs are up to date."""
    ended = stream(["cmake", "--build", build, "--target", BENCH, TESTS, "--", "-k", "0"], log, seconds)
    # A file that failed comes long before the end of the output.
    failed = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
              if re.search(r"^FAILED:|\berror\b|undefined reference", line)]
    ended.tail = failed[-20:] + ended.tail[-10:]
    if not ended.failure:
        return ended, [BENCH, TESTS]
    # Where one is whole there is nothing left to do.
    again = min(300, seconds - ended.seconds) / 2
    return ended, [p for p in (BENCH, TESTS) if not stream(["cmake", "--build", build, "--target", p], log, again).failure]


def pack(folder: pathlib.Path, build: pathlib.Path, dependencies: str | None, commit: str) -> None:
    """Builds both for sm_80 and sm_90, which needs no GPU, and puts them, stripped, into a folder to be carried."""
    folder.mkdir(parents=True, exist_ok=True)
    log, hours = folder / "build.log", 4 * 3600
    log.unlink(missing_ok=True)
    ended = configure(build, dependencies, log, hours, "-DCMAKE_CUDA_ARCHITECTURES=80-real;90", "-DADVPROP_TEST_SOURCE=tests")
    made: list[str] = []
    if not ended.failure:
        ended, made = make(build, log, hours)
    if ended.failure or len(made) < 2:
        stop(f"the build failed ({ended.failure}): see {log}")
    for name in (BENCH, TESTS):
        subprocess.run(["strip", "-o", str(folder / name), str(Programs(build)[name])], check=True)
    loaded = subprocess.run(["ldd", str(folder / TESTS)], capture_output=True, text=True).stdout
    # What comes with compilers or Debian's packages only.
    for library in re.findall(r"=> (\S*/lib(?:gomp|png16|jpeg|lzma|z)\.so\S*)", loaded):
        (folder / "lib").mkdir(exist_ok=True)
        shutil.copy(library, folder / "lib")
    (folder / "programs.json").write_text(json.dumps({"commit": commit, "made": time.strftime("%Y-%m-%d")}) + "\n")
    print(f"{folder}: {sum(f.stat().st_size for f in folder.rglob('*') if f.is_file()) / 2**20:.1f} MiB")
