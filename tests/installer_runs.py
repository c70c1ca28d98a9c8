"""Runs the installer as a process that tests wait for or kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def start(arguments: Sequence[str], environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        arguments,
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(arguments: Sequence[str], environ: Mapping[str, str] | None = None, seconds: float = 1800) -> list[dict]:
    """The messages of a run that must succeed within the given seconds."""
    process = start(arguments, environ)
    said, _ = process.communicate(timeout=seconds)
    assert process.returncode == 0, said
    return [json.loads(line) for line in said.splitlines()]


def kill(process: subprocess.Popen[str], with_children: bool) -> str:
    """Kills the installer like a crash, or with its children like a power failure. Returns its output unless it was
    read already."""
    os.killpg(process.pid, signal.SIGKILL) if with_children else os.kill(process.pid, signal.SIGKILL)
    return process.communicate()[0]
