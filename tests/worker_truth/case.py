"""What the cases share."""

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

Tried = tuple[bool, str]  # whether all held, and figures


@dataclass(frozen=True)
class Case:
    """name: what is tried, and what must hold; tried: tries it in an empty folder."""

    name: str
    tried: Callable[[Path], Tried]


def state_of(folder: Path) -> dict[str, Any]:
    """As the file has it, whatever the reader would make of it."""
    return json.loads((folder / "state.json").read_text(encoding="utf-8"))


def child(*arguments: str, **patches: Any) -> list[str]:
    """The command line of `tests.worker_truth.child`."""
    return [sys.executable, "-m", "tests.worker_truth.child", json.dumps(patches), *arguments]


def run_child(*arguments: str, environment: dict[str, str] | None = None, **patches: Any) -> Any:
    """What the child's last line says."""
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
