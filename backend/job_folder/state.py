"""A job's progress, as stored in its folder. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from .plain_text import MAX_TEXT, clean
from .problem import Problem, templates_of, with_templates
from .reading import UnfitFile, UnfitJSON, read_json
from .strict import StrictError, number, strict_values, text, whole
from .writing import FULL, write_json, write_over

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
STATES = (QUEUED, RUNNING, DONE, FAILED, CANCELLED)
MAX_BYTES = 1_000_000  # of state.json
MAX_COUNT = 2**53


@dataclass(frozen=True, kw_only=True)
class JobState:
    """The content of state.json. eta: seconds until the job is done, None if unknown; message, hint and repair are for
    the user, as in Problem."""

    state: str = QUEUED
    message: str = ""
    hint: str = ""
    repair: str = ""
    stage: str = ""
    step: int = 0
    steps: int = 0
    eta: float | None = None

    @classmethod
    def failed(cls, problem: Problem) -> JobState:
        return cls(state=FAILED, message=problem.message, hint=problem.hint, repair=problem.repair)

    @property
    def finished(self) -> bool:
        """Whether the job has ended."""
        return self.state in (DONE, FAILED, CANCELLED)

    @property
    def progress(self) -> float:
        """Progress within the stage, from 0 to 1."""
        return min(1.0, self.step / self.steps) if self.steps > 0 else 0.0

    @property
    def text(self) -> str:
        """One line for the panel: "sampling 12/30, 8 s left"."""
        count = f" {self.step}/{self.steps}" if self.steps else ""
        left = f", {self.eta:.0f} s left" if self.eta is not None else ""
        return f"{self.stage or self.state}{count}{left}"


def write_state(state: JobState, folder: Path) -> None:
    """Writes state.json. Raises OSError.

    On a full disk the new content overwrites the old file in place, with messages cut if necessary, so that no folder
    says "running" after its job has ended.
    """
    path, templates = folder / "state.json", templates_of((state.message, state.hint))
    state = replace(state, message=clean(state.message), hint=clean(state.hint))
    try:
        write_json(path, asdict(state) | ({"templates": templates} if templates else {}))
    except OSError as error:
        if error.errno not in FULL or not any(write_over(path, content) for content in _shorter_versions(state)):
            raise


def _shorter_versions(state: JobState) -> Iterator[bytes]:
    content = {key: value for key, value in asdict(state).items() if key not in ("message", "hint") and value}
    for message, hint in ((MAX_TEXT, MAX_TEXT), (MAX_TEXT, 0), (600, 0), (200, 0), (80, 0), (30, 0), (0, 0)):
        short = {"message": state.message[:message], "hint": state.hint[:hint]}
        yield json.dumps(content | {key: text for key, text in short.items() if text}).encode()


def read_state(folder: Path) -> JobState:
    """Reads state.json. Never raises.

    The state is "queued" before the first write and while the file cannot be read. For a file that no backend wrote it
    is "failed", with a message.
    """
    path = folder / "state.json"
    try:
        content = read_json(path, MAX_BYTES)
        if not isinstance(content, dict):
            return JobState()
        values = strict_values(JobState, content, _CHECKS, "it", ignore_unknown=True)
        if values.get("state", QUEUED) not in STATES:
            raise StrictError("it: state is unknown.")
        return _with_sentences(JobState(**values), content.get("templates"))
    except (UnfitFile, UnfitJSON, StrictError) as error:
        problem = Problem(
            "{path} is damaged ({reason}), so the state of the job is unknown.", "Run the job again."
        ).about(path=path, reason=clean(str(error), 200))
        return JobState.failed(problem)
    except (OSError, ValueError):  # missing, or truncated by a power failure
        return JobState()


def _with_sentences(state: JobState, templates: Any) -> JobState:
    message, hint = with_templates((state.message, state.hint), templates)
    return replace(state, message=message, hint=hint)


def _text(value: Any) -> str:
    return clean(text(value))


def _count(value: Any) -> int:
    if not 0 <= whole(value) <= MAX_COUNT:
        raise TypeError(f"between 0 and {MAX_COUNT}")
    return value


def _seconds(value: Any) -> float:
    if not 0 <= number(value) <= MAX_COUNT:
        raise TypeError(f"between 0 and {MAX_COUNT}")
    return float(value)


_CHECKS = {"str": _text, "int": _count, "float": _seconds}
