"""How far a job is, as its folder says. Standard library only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .plain_text import clean
from .reading import UnfitFile, UnfitJSON, read_json
from .writing import write_json

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
MOST_BYTES = 1_000_000  # of state.json
MOST_COUNT = 2**53


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
    write_json(folder / "state.json", asdict(state))


def read_state(folder: Path) -> JobState:
    """The backend's last word; "queued" before its first, and while the file cannot be read. Of a file that no backend
    wrote: "failed", with a message that says so. Never raises."""
    path = folder / "state.json"
    try:
        content = read_json(path, MOST_BYTES)
        if not isinstance(content, dict):
            return JobState()
        return JobState(**{key: kind(content[key]) for key, kind in _KINDS.items() if key in content})
    except (UnfitFile, UnfitJSON, TypeError) as error:
        message = f"{path} is damaged ({clean(str(error), 200)}), so nobody knows how far the job is."
        return JobState(state=FAILED, message=message, hint="Run the job again.")
    except (OSError, ValueError):  # not there, or cut off by a power failure
        return JobState()


def _word(value: Any) -> str:
    if value not in (QUEUED, RUNNING, DONE, FAILED, CANCELLED):
        raise TypeError("an unknown state")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__} instead of text")
    return clean(value)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MOST_COUNT:
        raise TypeError("a number out of bounds")
    return value


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value <= MOST_COUNT:
        raise TypeError("a time out of bounds")
    return float(value)


_KINDS: dict[str, Callable[[Any], Any]] = {
    "state": _word,
    "message": _text,
    "hint": _text,
    "stage": _text,
    "step": _count,
    "steps": _count,
    "eta": _seconds,
}
