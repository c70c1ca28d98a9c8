"""Runs of the installer as a process of its own, which tests wait for or kill."""

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
    """The messages of a run that must succeed within so many seconds."""
    process = start(arguments, environ)
    said, _ = process.communicate(timeout=seconds)
    assert process.returncode == 0, said
    return [json.loads(line) for line in said.splitlines()]


def kill(process: subprocess.Popen[str], with_children: bool) -> str:
    """As a crash would, or with its children as a power cut would; -> what it had said, unless somebody has read it."""
    os.killpg(process.pid, signal.SIGKILL) if with_children else os.kill(process.pid, signal.SIGKILL)
    return process.communicate()[0]
