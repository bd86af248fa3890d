"""Runs a program: its output goes to a log file and to the terminal as it comes, and when its time is over it is ended."""

from __future__ import annotations

import collections
import ctypes
import os
import pathlib
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Callable, Mapping, Sequence


@dataclass
class Ended:
    seconds: float
    tail: list[str]  # the last lines of its output
    failure: str | None  # None: it ended well
    over: bool = False  # its time


def _ending_with(parent: int) -> None:
    """Whoever kills this script leaves no program that holds the GPU (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:  # it was killed before that
        os._exit(1)


def stream(command: Sequence[object], log: pathlib.Path, seconds: float, on_line: Callable[[str], None] = lambda line: None,
           environment: Mapping[str, str] | None = None, folder: pathlib.Path | None = None) -> Ended:
    """`on_line` gets every line of output, standard error's too."""
    words = [str(c) for c in command]
    print("+", *words, flush=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    tail: collections.deque[str] = collections.deque(maxlen=40)
    begin, this = time.monotonic(), os.getpid()
    with log.open("a", encoding="utf-8") as file:
        print("+", *words, file=file, flush=True)
        try:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                       encoding="utf-8", errors="replace", env=environment, cwd=folder, start_new_session=True,
                                       preexec_fn=lambda: _ending_with(this))
        except OSError as e:
            return Ended(0, [], f"did not start: {e}")

        def read() -> None:
            for line in process.stdout:
                line = line.rstrip("\n")
                tail.append(line)
                try:
                    print(line, file=file, flush=True)
                except ValueError:  # a child that outlives the program, after the log was closed
                    return
                print(line, flush=True)
                try:
                    on_line(line)
                except Exception as e:  # the program goes on, and would wait for ever if nobody read what it says
                    tail.append(f"this line was not understood ({type(e).__name__}: {e}): {line}")

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        over = False
        try:
            process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            over = True
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)  # what it started, too
            except ProcessLookupError:
                pass
            process.wait()
            reader.join(10)
    spent = time.monotonic() - begin
    if over:
        return Ended(spent, list(tail), f"timed out after {spent:.0f} s", True)
    code = process.returncode
    failure = None if code == 0 else f"exit status {code}" if code > 0 else f"ended by {signal.Signals(-code).name}"
    return Ended(spent, list(tail), failure)
