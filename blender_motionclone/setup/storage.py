"""Disk usage: the backend measures it in a process that is polled. Without bpy."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...backend.job_folder.problem import Problem, Sentence
from ...backend.job_folder.storage import TITLES
from ...backend.wire.processes import kill
from ..declarations import Operators
from ..session import session
from .backend_call import start_process
from .interpreter import HINT

SECONDS_TO_ANSWER = 600.0  # a network folder can be slow


@dataclass(frozen=True)
class Room:
    """One kind of files, a key of TITLES: the bytes that it uses, and the bytes that cleaning up frees."""

    name: str
    bytes: int
    removable: int


@dataclass
class _Now:
    """The pending question, and the last answer."""

    question: Question | None = None
    rooms: list[Room] | None = None


_now = session.part(_Now)


def rooms() -> list[Room] | None:
    """None before the first answer."""
    return _now.rooms


def asking() -> bool:
    return _now.question is not None


def ask(python: Path, root: Path, jobs: Path, clean: bool) -> None:
    """Measures everything, after cleaning up if `clean` is set; `poll` receives the answer. root: the folder with the
    backend's modules. Problem when the backend cannot be started."""
    forget_question()
    command = [str(python), "-m", "backend", "storage", "--json", "--jobs", str(jobs)]
    _now.question = Question([*command, *(["--clean"] if clean else [])], root)


def poll() -> bool:
    """Returns whether the answer has arrived. Problem when there is none."""
    if _now.question is None:
        return False
    try:
        found = _now.question.answer()
    except Problem:
        forget_question()
        raise
    if found is None:
        return False
    _now.question, _now.rooms = None, found
    return True


def forget_question() -> None:
    """Leaves no process behind."""
    if _now.question:
        _now.question.drop()
    _now.question = None


def forget() -> None:
    forget_question()
    session.reset(_now)


class Question:
    """A running process. Its output goes to files, so that nobody has to read while it writes."""

    def __init__(self, command: Sequence[str], root: Path):
        """Problem when the program cannot be started."""
        self._until = time.monotonic() + SECONDS_TO_ANSWER
        self._said, self._complained = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = start_process(command, self._said, self._complained, root)
        except OSError as error:
            said = Sentence(
                "The backend's Python {program} cannot be started ({reason}).",
                program=command[0],
                reason=error.strerror,
            )
            raise Problem(said, HINT, repair=Operators.INSTALL_BACKEND) from None

    def answer(self) -> list[Room] | None:
        """None while it is pending. Problem when there is no answer."""
        code = self._process.poll()
        if code is None and time.monotonic() < self._until:
            return None
        if code is None:
            self.drop()
            said = Sentence(
                "The disk usage was not measured within {seconds_to_answer} s.",
                seconds_to_answer=f"{SECONDS_TO_ANSWER:.0f}",
            )
            raise Problem(said, "Try again, or check whether the disk responds.")
        found = _rooms_in(_text(self._said))
        if code or found is None:
            lines = [line.strip() for line in _text(self._complained).splitlines() if line.strip()]
            reason = lines[-1] if lines else f"exit code {code}"
            raise Problem(
                "The disk usage could not be measured: {reason}", HINT, repair=Operators.INSTALL_BACKEND
            ).about(reason=reason)
        return found

    def drop(self) -> None:
        kill(self._process)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)


def _text(file) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _rooms_in(said: str) -> list[Room] | None:
    """None when it is not an answer."""
    try:
        rows = json.loads(said)
        return [Room(row["name"], int(row["bytes"]), int(row["removable"])) for row in rows if row["name"] in TITLES]
    except (ValueError, TypeError, KeyError):
        return None
