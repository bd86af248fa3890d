"""Tests bench/gpu/run without a GPU: its programs, nvidia-smi, the driver and PyTorch are stand-ins.

    tests/gpu_run.py C_COMPILER
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[1]
COMPILER = sys.argv.pop(1)
BENCH = r"""
import json, os, sys, time
words = sys.argv[1:]
if words == ["--check"]:
    sys.exit(os.environ.get("CHECK_SAYS"))
options, values = {}, []
for word in words:
    if word.startswith("--"):
        values = options[word[2:]] = []
    else:
        values.append(word)
case, = options["case"]
for method in options["method"]:
    time.sleep(60 if case == os.environ.get("HANGS") else float(os.environ.get("SLEEP", 0)))
    row = {"framework": "advprop", "case": case, "method": method, "precision": options["precision"][0],
           "engines": options["engines"][0], "batch": int(options["batch"][0])}
    if (case, method) == ("efficientnet-b0", "clean"):
        os.abort()
    if (case, method) == ("resnet50", "clean"):
        row["failure"] = "out of memory"
    else:
        row.update(ms_per_step=256, images_per_second=1000, peak_mib=1, reserved_mib=2)
    if "trace" in options:
        norm = "void advprop::detail::columns_kernel<P, W<&(void advprop::detail::norm_forward_at<8, T>(advprop::cuda_device&))> >(W)"
        row["trace"] = {"kernels": 30, "covered": 0.985, "most": {"tera_operations": 800, "gigabytes": 3000},
                        "by_name": [["sm90_xmma_fprop", 10, 2000.0], [norm, 12, 1000.0], ["copy", 8, 10.0]],
                        "work": [["conv_norm_forward", 10, 8e11, 1e9], ["norm_forward", 12, 0, 1.5e9], ["memory_copy", 8, 0, 1e6]]}
    print(json.dumps(row), flush=True)
"""
TESTS = r"""
import os, sys, time
if sys.argv[1:] == ["--count"]:
    sys.exit()
file = next(w for w in sys.argv if w.startswith("--source-file=*"))[len("--source-file=*"):-len("_test.c*")]
print("0.100000 s: a case", flush=True)
if file == "loss":
    os.abort()
if file == "conv":
    time.sleep(60)
if file == "elementwise":
    print("MESSAGE: skipped: there is no data")
count = 0 if file == "functor" else 4
failed = file == "norm"
print(f"[doctest] test cases: {count} | {count - failed} passed | {failed:d} failed | 80 skipped")
sys.exit(failed)
"""
SANITIZER = r"""
import subprocess, sys
tool = sys.argv[sys.argv.index("--tool") + 1]
program = next(i for i, word in enumerate(sys.argv) if word.endswith("test_gpu"))
code = subprocess.run(sys.argv[program:]).returncode
print(f"========= {tool}: 1 error" if tool == "racecheck" else "========= ERROR SUMMARY: 0 errors")
sys.exit(3 if tool == "racecheck" else code)
"""
STEP = r"""
import json, sys
mode, case = (sys.argv[sys.argv.index(option) + 1] for option in ("--mode", "--case"))
if mode == "graph":
    sys.exit("RuntimeError: operation not permitted when stream is capturing")
speed = {"eager": 500, "compile": 4000}.get(mode, 800)
row = {"framework": "pytorch", "case": case, "mode": mode, "images_per_second": speed, "peak_mib": 3}
print(json.dumps(row), flush=True)
print(json.dumps({**row, "equal": mode != "compile"}), flush=True)
"""


def program(file, text):
    file.write_text(f"#!{sys.executable}\n{text}")
    file.chmod(0o755)


class GpuRun(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.root, self.out, self.programs = self.folder / "root", self.folder / "out", self.folder / "programs"
        shutil.copytree(SOURCE / "bench" / "gpu", self.root / "bench" / "gpu")
        for folder in (self.root / "bench" / "compare", self.root / "tests" / "cuda", self.programs, self.folder / "torch",
                       self.folder / "torchvision"):
            folder.mkdir(parents=True)
        for file in (SOURCE / "tests" / "cuda").glob("*_test.c*"):
            (self.root / "tests" / "cuda" / file.name).touch()
        (self.root / "bench" / "compare" / "step.py").write_text(STEP)
        (self.folder / "torch" / "__init__.py").write_text("class cuda:\n    is_available = staticmethod(lambda: True)\n")
        (self.folder / "torchvision" / "__init__.py").touch()
        program(self.programs / "bench_gpu_step", BENCH)
        program(self.programs / "test_gpu", TESTS)
        (self.programs / "programs.json").write_text('{"commit": "abc"}')
        self.gpu("NVIDIA H200", "9.0")
        self.driver(13000)

    def sanitizer(self):
        program(self.folder / "compute-sanitizer", SANITIZER)

    def gpu(self, name, capability):
        program(self.folder / "nvidia-smi", f"print('{name}, 580.1, {capability}')")

    def driver(self, version):
        source = self.folder / "driver.c"
        source.write_text(f"int cuDriverGetVersion(int* v) {{ *v = {version}; return 0; }}\n")
        subprocess.run([COMPILER, "-x", "c", "-shared", "-fPIC", "-o", self.folder / "libcuda.so.1", source], check=True)

    def start(self, *options, **environment):
        return subprocess.Popen(
            [sys.executable, self.root / "bench" / "gpu" / "run", "--commit", "abc", "--output", self.out, *options], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}", "LD_LIBRARY_PATH": str(self.folder),
                 "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1", **environment})

    def run_it(self, *options, **environment):
        """Its exit status and output."""
        process = self.start(*options, **environment)
        said, _ = process.communicate(timeout=300)
        return process.returncode, said

    def outcomes(self, out=None):
        return json.loads(((out or self.out) / "gpu-nvidia-h200.json").read_text())["outcomes"]

    def table(self):
        return (self.out / "gpu-nvidia-h200.md").read_text()

    def test_sanitizer(self):
        program(self.programs / "test_gpu", TESTS.replace('"norm"', '"none"').replace('"loss"', '"none"'))
        code, said = self.run_it("--programs", self.programs, "--stage", "sanitizer")
        self.assertEqual((code, {o["status"] for n, o in self.outcomes().items() if n.startswith("sanitizer/")}), (0, {"not run"}))
        self.assertIn("compute-sanitizer is not there", said)
        self.sanitizer()
        code, _ = self.run_it("--programs", self.programs, "--stage", "sanitizer")
        found = self.outcomes()
        self.assertEqual(code, 1)
        self.assertEqual((found["sanitizer/memcheck norm"]["status"], found["sanitizer/memcheck norm"]["passed"]), ("done", 4))
        self.assertEqual(found["sanitizer/racecheck norm"]["status"], "failed")  # though every test passed
        self.assertIn("| memcheck norm | 4 | 4 |", self.table())

    def test_all(self):
        self.sanitizer()
        code, _ = self.run_it("--programs", self.programs, "--test-seconds", "3")
        found = self.outcomes()
        self.assertEqual(code, 1)
        self.assertEqual({n for n, o in found.items() if o["status"] == "not run"}, set())

        target = found["ours/resnet50 advprop-pgd5 bfloat16 256"]
        self.assertEqual((target["status"], target["wanted"]), ("done", 1.2))
        self.assertEqual(found["ours/resnet50 clean bfloat16 256"]["failure"], "out of memory")
        # What comes behind a crash is measured.
        self.assertIn("SIGABRT", found["ours/efficientnet-b0 clean bfloat16 256"]["failure"])
        self.assertEqual(found["ours/efficientnet-b0 evaluate bfloat16 256"]["status"], "done")

        tests = {name[6:]: o for name, o in found.items() if name.startswith("tests/")}
        self.assertNotIn("kernels", tests)
        self.assertEqual(sorted(n for n, o in tests.items() if o["status"] == "failed"),
                         ["conv", "elementwise", "functor", "loss", "norm"])
        self.assertEqual((tests["norm"]["passed"], tests["norm"]["failed"]), (3, 1))
        self.assertEqual(tests["fit"]["durations"], {"a case": 0.1})
        for name, text in {"conv": "timed out", "elementwise": "skipped", "functor": "no test ran", "loss": "SIGABRT"}.items():
            self.assertIn(text, tests[name]["failure"])

        parts = found["trace/resnet50 advprop-pgd5 bfloat16 256"]["breakdown"]["kinds"]
        self.assertAlmostEqual(parts["convolutions, linear layers"]["share"], 0.5)
        self.assertAlmostEqual(parts["batch norms"]["share"], 0.5)
        self.assertIn("30 kernels, copies and fills, which cover 98.5% of its time", self.table())
        self.assertIn("| batch norms | 12 | 1.00 | 50% |", self.table())

        # The compiled step is the fastest, but computes something else.
        self.assertIn("| resnet50 advprop-pgd5 bfloat16 256 | 1000 | 800 (compile, graph, 3 of 6) | 1.25 | 1.2 |", self.table())
        self.assertIn("not permitted", found["pytorch/resnet50 advprop-pgd5 bfloat16 256, graph"]["failure"])
        self.assertIn("numbers", found["pytorch/resnet50 advprop-pgd5 bfloat16 256, compile"]["failure"])

    def test_calls_add_up(self):
        code, _ = self.run_it("--programs", self.programs, "--stage", "ours", "--seconds", "20", SLEEP="1.5")
        first = self.outcomes()
        status = [o["status"] for o in first.values()]
        self.assertEqual(code, 1)
        self.assertIn("done", status)
        self.assertIn("not run", status)
        other = self.folder / "other"
        _, said = self.run_it("--programs", self.programs, "--stage", "ours", "--previous", self.out, "--output", other)
        second = self.outcomes(other)
        self.assertNotIn("not run", [o["status"] for o in second.values()])
        for name, outcome in first.items():
            if outcome["status"] == "done":
                self.assertEqual(second[name], outcome)
        # What had failed comes after all that was not run.
        self.assertLess(said.index("--precision tf32"), said.index("--case resnet50 --method clean "))

    def test_commit_of_the_programs(self):
        self.run_it("--programs", self.programs, "--stage", "build", "--commit", "")
        self.assertEqual(json.loads((self.out / "gpu-nvidia-h200.json").read_text())["commit"], "abc")

    def test_kill(self):
        for how in (signal.SIGKILL, signal.SIGTERM):
            process = self.start("--programs", self.programs, "--stage", "ours", HANGS="efficientnet-b0")
            while not self.runs("--case efficientnet-b0"):
                self.assertIsNone(process.poll())
                time.sleep(0.1)
            process.send_signal(how)
            process.wait(20)
            process.stdout.close()
            end = time.monotonic() + 20
            while self.runs("--case efficientnet-b0"):
                self.assertLess(time.monotonic(), end, "a program outlives bench/gpu/run")
                time.sleep(0.1)
            self.assertEqual(self.outcomes()["ours/resnet50 advprop-pgd5 bfloat16 256"]["status"], "done")
            self.assertIn("| resnet50 evaluate bfloat16 256 | 1000 |", self.table())
            shutil.rmtree(self.out)

    def runs(self, words):
        """Whether a process of these programs has such arguments."""
        for file in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = file.read_text().replace("\0", " ")
            except OSError:  # it has just ended
                continue
            if str(self.programs) in line and words in line:
                return True
        return False

    def refused(self, text, *options, **environment):
        code, said = self.run_it(*options, **environment)
        self.assertEqual(code, 1)
        self.assertEqual(said.count("bench/gpu/run: "), 1, said)
        self.assertIn(text, said)

    def test_refusals(self):
        self.run_it("--programs", self.programs, "--stage", "build")
        self.refused("is of commit abc, this is abd", "--commit", "abd")
        self.refused("is of commit abc, this is abd", "--commit", "abd", "--programs", self.programs, "--fresh")
        self.refused("is not a folder that --pack made", "--programs", self.folder)
        self.refused("git cannot tell", "--commit", "")
        self.refused("driver is too old", "--programs", self.programs, CHECK_SAYS="CUDA driver version is insufficient")
        self.refused("no GPU here", "--programs", self.programs, CHECK_SAYS="there is no usable GPU: no CUDA-capable device")
        self.gpu("NVIDIA H100", "9.0")
        self.refused("is of GPU NVIDIA H200, this is NVIDIA H100", "--previous", self.out)
        self.gpu("Tesla V100", "7.0")
        self.refused("8.0 is needed")
        self.gpu("NVIDIA H200", "9.0")
        self.driver(12040)
        self.refused("580.1 is for CUDA 12.4")
        (self.folder / "libcuda.so.1").write_text("")
        self.refused("no GPU here: the driver's library")
        program(self.folder / "nvidia-smi", "raise SystemExit('No devices were found')")
        self.refused("no GPU here: nvidia-smi says 'No devices were found'")

    def test_programs_of_another_gpu(self):
        code, said = self.run_it("--programs", self.programs, "--stage", "build", "--stage", "ours", "--build", self.folder / "build",
                                 CHECK_SAYS="no kernel image is available for execution on the device")
        self.assertEqual(code, 1)
        self.assertIn("was built for another GPU; building instead", said)
        found = self.outcomes()
        self.assertIn("CMakeLists.txt", "".join(found["build/bench_gpu_step"]["tail"]))  # there is none
        self.assertIn("was not built, or does not run", found["ours/resnet50 advprop-pgd5 bfloat16 256"]["failure"])
        self.assertIn("CMakeLists.txt", self.table())
        # A later call with programs that run here is not held up by that.
        self.run_it("--programs", self.programs, "--stage", "ours")
        found = self.outcomes()
        self.assertTrue(found["build/bench_gpu_step"]["how"].startswith("carried"))
        self.assertEqual(found["ours/resnet50 advprop-pgd5 bfloat16 256"]["status"], "done")

    @unittest.skipUnless(shutil.which("cmake") and shutil.which("ninja"), "needs CMake and Ninja")
    def test_build(self):
        """One of two programs, then the other; what was built before is not taken for what does not compile now."""
        (self.root / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\nproject(x LANGUAGES CXX)\n"
            "add_executable(bench_gpu_step a.cpp)\nadd_executable(test_gpu b.cpp)\n"
            "set_target_properties(bench_gpu_step PROPERTIES RUNTIME_OUTPUT_DIRECTORY bench)\n"
            "set_target_properties(test_gpu PROPERTIES RUNTIME_OUTPUT_DIRECTORY tests)\n")
        good, bad = "int main() {}\n", "int main() { return missing; }\n"
        options = ("--stage", "build", "--stage", "tests", "--build", self.folder / "build")
        for a, b in ((good, bad), (good, good), (bad, good)):
            (self.root / "a.cpp").write_text(a)
            (self.root / "b.cpp").write_text(b)
            self.run_it(*options)
            for name, text in (("bench_gpu_step", a), ("test_gpu", b)):
                outcome = self.outcomes()[f"build/{name}"]
                self.assertEqual(outcome["status"], "done" if text == good else "failed")
                if text == bad:
                    self.assertIn("missing", "".join(outcome["tail"]))
            ran = "no test ran" in self.outcomes()["tests/norm"]["failure"]
            self.assertEqual(ran, b == good)


if __name__ == "__main__":
    unittest.main()
