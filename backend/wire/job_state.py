"""How far a job is, as its folder says. Standard library only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from .request import write_atomically

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"


@dataclass(frozen=True, kw_only=True)
class JobState:
    """state.json. eta: seconds until the job is done, or None while unknown; message and hint are for the user."""

    state: str = QUEUED
    message: str = ""
    hint: str = ""
    stage: str = ""
    step: int = 0
    steps: int = 0
    eta: float | None = None

    @property
    def finished(self) -> bool:
        return self.state in (DONE, FAILED, CANCELLED)

    @property
    def progress(self) -> float:
        """0..1 within the stage."""
        return min(1.0, self.step / self.steps) if self.steps > 0 else 0.0

    @property
    def text(self) -> str:
        """One line for the panel: "sampling 12/30, 8 s left"."""
        count = f" {self.step}/{self.steps}" if self.steps else ""
        left = f", {self.eta:.0f} s left" if self.eta is not None else ""
        return f"{self.stage or self.state}{count}{left}"


def write_state(state: JobState, folder: Path) -> None:
    write_atomically(folder / "state.json", json.dumps(asdict(state), indent=2, ensure_ascii=False) + "\n")


def read_state(folder: Path) -> JobState:
    """The backend's last word; "queued" before its first, and while the file cannot be read."""
    try:
        content = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return JobState(**{f.name: content[f.name] for f in fields(JobState) if f.name in content})
    except (OSError, ValueError, TypeError):
        return JobState()
