"""Shared by the cases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.bench.recording_client import ROOT

Tried = tuple[bool, str]  # whether all checks passed, and figures


@dataclass(frozen=True)
class Case:
    """name: the case and what must hold; tried: runs it in an empty folder."""

    name: str
    tried: Callable[[Path], Tried]


def state_of(folder: Path) -> dict[str, Any]:
    """The content of the state file, without the reader's checks."""
    return json.loads((folder / "state.json").read_text(encoding="utf-8"))


def child(*arguments: str, **patches: Any) -> list[str]:
    """The command line of `tests.worker_truth.child`."""
    return [sys.executable, "-m", "tests.worker_truth.child", json.dumps(patches), *arguments]


def run_child(*arguments: str, environment: dict[str, str] | None = None, **patches: Any) -> Any:
    """The last line that the child prints."""
    done = subprocess.run(
        child(*arguments, **patches),
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])
