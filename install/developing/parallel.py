"""Runs programs in parallel. Each has a time limit, and none outlives this process."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

from ..paths import ROOT

MINUTES = 60
LOOK = 0.2  # seconds between two checks whether a program has ended


@dataclass(frozen=True)
class Program:
    """A program to run. limit: seconds until it and its children are stopped; variables: environment variables to
    add."""

    title: str
    command: Sequence[str]
    limit: int
    variables: Mapping[str, str] = field(default_factory=dict)


def usable_processors() -> int:
    """The number of processors that this process may use, which a container or a farm may limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_in_parallel(programs: Sequence[Program], slots: int, ended: Callable[[Program, int | None], None]) -> None:
    """Runs the programs in order, at most `slots` at a time. Calls `ended` with each exit code, None after a timeout.

    The output of each program is printed when it has ended, or immediately if only one runs at a time. When this
    process is stopped, all programs are stopped.
    """
    waiting, running = list(programs), []
    live = min(slots, len(programs)) == 1
    try:
        while waiting or running:
            while waiting and len(running) < slots:
                running.append(_Running(waiting.pop(0), live))
            time.sleep(LOOK)
            for one in [one for one in running if one.is_over()]:
                running.remove(one)
                code = one.finish()
                ended(one.program, code)
    finally:
        for one in running:
            one.stop()


class _Running:
    def __init__(self, program: Program, live: bool):
        self.program = program
        self._began = time.monotonic()
        self._said: IO[bytes] | None = None if live else tempfile.TemporaryFile()  # noqa: SIM115 (until it ends)
        if program.title:
            print(f"\n{program.title}" if live else f"{program.title} begins", flush=True)
        self._process = subprocess.Popen(
            program.command,
            cwd=ROOT,
            env={**os.environ, **program.variables},
            stdout=self._said,
            stderr=self._said and subprocess.STDOUT,
            start_new_session=True,
        )

    def is_over(self) -> bool:
        return self._process.poll() is not None or self._seconds() > self.program.limit

    def finish(self) -> int | None:
        """Prints the program's output. Returns its exit code, None when it was still running."""
        code = self._process.poll()
        if code is None:
            self.stop()
        if self._said:
            self._said.seek(0)
            minutes, seconds = divmod(round(self._seconds()), MINUTES)
            print(f"\n{self.program.title}, {minutes} min {seconds} s", flush=True)
            print(self._said.read().decode("utf-8", "replace"), end="", flush=True)
            self._said.close()
        if code is None:
            print(f"  Stopped after {self.program.limit // MINUTES} minutes.", flush=True)
        return code

    def stop(self) -> None:
        """Ends the program and its children."""
        if os.name == "posix":
            with suppress(ProcessLookupError):  # it has just ended
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            subprocess.run(["taskkill", "/F", "/T", "/PID", str(self._process.pid)], capture_output=True)
        self._process.wait()

    def _seconds(self) -> float:
        return time.monotonic() - self._began
