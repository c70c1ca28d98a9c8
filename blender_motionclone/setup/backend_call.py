"""Questions to the backend, such as what a clip contains. Each is a process that is polled. Without bpy.

The add-on does not decode clips itself, so a clip is read the same way in the panel and in `python -m backend clone`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from ...backend.job_folder.plain_text import clean
from ...backend.job_folder.problem import Problem, Sentence, with_templates
from ...backend.job_folder.reading import parse_json
from ...backend.wire.processes import DETACHED, kill
from ..declarations import Operators
from .interpreter import HINT, ROOT, WORKING, child_environment

MAX_BYTES, MAX_LINE = 4_000_000, 10_000  # bytes of the answer, and of the end of stderr
MAX_SAID = 100_000_000  # bytes that it may write at all
SECONDS = 1800.0  # a long film is decoded completely


def start_process(
    command: Sequence[str], stdout: IO[Any] | int, stderr: IO[Any] | int, root: Path = ROOT, **how: Any
) -> subprocess.Popen:
    """Starts a process without input, detached so that it can be ended together with its children. root: the folder of
    its modules, which is not its working directory; how: of Popen. OSError when it cannot be started."""
    return subprocess.Popen(
        command,
        cwd=WORKING,
        env=child_environment(os.environ, root),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        **how,
        **DETACHED,
    )


class BackendCall:
    """One question. Drop it, or poll it until it has ended."""

    def __init__(self, command: Sequence[str], seconds: float):
        """seconds: until it is `late`. Problem when the program cannot be started."""
        self.program, self._until = command[0], time.monotonic() + seconds
        # Files instead of pipes, which somebody would have to read while it writes.
        self._said, self._complained = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = start_process(command, self._said, self._complained)
        except OSError as error:
            said = Sentence(
                "The backend's Python {program} cannot be started ({reason}).",
                program=self.program,
                reason=error.strerror,
            )
            raise Problem(said, HINT, repair=Operators.INSTALL_BACKEND) from None

    def code(self) -> int | None:
        """The exit code, or None while it runs. Problem when it writes without end."""
        code = self._process.poll()
        if code is None and sum(os.fstat(file.fileno()).st_size for file in (self._said, self._complained)) > MAX_SAID:
            self.drop()
            raise Problem("{program} did not answer like MotionClone's backend.", HINT).about(program=self.program)
        return code

    @property
    def late(self) -> bool:
        return time.monotonic() > self._until

    def said(self) -> bytes:
        """Everything that it has printed; empty if that is too long for an answer."""
        self._said.seek(0)
        answer = self._said.read(MAX_BYTES + 1)
        return answer if len(answer) <= MAX_BYTES else b""

    def complaint(self) -> str:
        """The last line on stderr, or the exit code."""
        size = self._complained.seek(0, 2)
        self._complained.seek(max(0, size - MAX_LINE))
        lines = self._complained.read(MAX_LINE).decode("utf-8", "replace").split("\n")
        last = next((clean(line.strip(), 500) for line in reversed(lines) if line.strip()), "")
        return last or f"exit code {self._process.poll()}"

    def drop(self) -> None:
        """Ends the process if it is still running."""
        kill(self._process)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)


def words_of(command: str, windows: bool = sys.platform == "win32") -> list[str]:
    """Splits a command line as typed into words. Quotes of either kind group words. On Windows a backslash separates
    folders. ValueError for an unclosed quote."""
    words = shlex.shlex(command, posix=True, punctuation_chars=False)
    words.whitespace_split, words.commenters = True, ""
    if windows:
        words.escape = ""
    return list(words)


def backend_command(worker_command: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """The command that calls the backend where `worker_command` starts the worker: replaces `serve` and what follows
    it."""
    for i in reversed(range(len(worker_command))):
        if worker_command[i] == "serve":
            return [*worker_command[:i], *arguments]
        if found := re.search(r"\bserve\b", worker_command[i]):  # a complete command line, for ssh
            return [*worker_command[:i], worker_command[i][: found.start()] + shlex.join(arguments)]
    raise Problem(
        "The preference Worker Command does not start a worker: it does not end with `-m backend serve`.",
        "Correct it in Preferences > Add-ons > MotionClone.",
    )


Answer = TypeVar("Answer")


@dataclass(frozen=True)
class ClipFacts:
    """size: (H, W) in square pixels; frames: of the clip itself; seconds: its duration, None for a folder of pictures;
    notes: for the user."""

    path: Path
    size: tuple[int, int]
    frames: int
    seconds: float | None
    notes: tuple[str, ...] = ()


class ClipCall(Generic[Answer]):
    """One question about a clip."""

    def __init__(self, command: Sequence[str], path: Path, read: Callable[[dict[str, Any]], Answer]):
        """read: converts the backend's output to the answer; KeyError, TypeError or ValueError when it cannot.
        Problem when the program cannot be started."""
        self._call, self._path, self._read = BackendCall(command, SECONDS), path, read

    def answer(self) -> Answer | None:
        """None while it is pending. Problem when the backend rejects the clip or does not answer."""
        code = self._call.code()
        if code is None:
            if self._call.late:
                self.drop()
                said = Sentence(
                    "The backend did not read {path} within {seconds} s.", path=self._path, seconds=f"{SECONDS:.0f}"
                )
                raise Problem(said, "Choose a shorter clip.")
            return None
        found = self._answer()
        if code and isinstance(found.get("message"), str):
            raise Problem(*_said((found["message"], found.get("hint", "")), found))
        if code:
            said = Sentence(
                "The backend could not read {path}: {complaint}", path=self._path, complaint=self._call.complaint()
            )
            raise Problem(said, HINT, repair=Operators.INSTALL_BACKEND)
        try:
            return self._read(found)
        except (KeyError, TypeError, ValueError):
            raise Problem("{program} did not answer like MotionClone's backend.", HINT).about(
                program=self._call.program
            ) from None

    def _answer(self) -> dict[str, Any]:
        """Empty if it printed anything else."""
        try:
            found = parse_json(self._call.said())
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def drop(self) -> None:
        """Ends the question."""
        self._call.drop()


def examine(command: Callable[[Sequence[str]], list[str]], path: Path) -> ClipCall[ClipFacts]:
    """Asks what a clip contains. command: returns the command line for such arguments."""

    def read(found: dict[str, Any]) -> ClipFacts:
        seconds = found["seconds"]
        return ClipFacts(
            path=path,
            size=(int(found["height"]), int(found["width"])),
            frames=int(found["frames"]),
            seconds=None if seconds is None else float(seconds),
            notes=tuple(_said(found["notes"], found)),
        )

    return ClipCall(command(("examine", str(path), "--json")), path, read)


def write_frames(
    command: Callable[[Sequence[str]], list[str]], path: Path, count: int, size: tuple[int, int], to: Path
) -> ClipCall[list[str]]:
    """Writes `count` frames of a clip as <to>/0000.png ... at size (H, W), as `clone` would. The answer is a list of
    notes."""

    def read(found: dict[str, Any]) -> list[str]:
        if found["frames"] != count:
            raise ValueError(found["frames"])
        return _said(found["notes"], found)

    height, width = size
    how = ("--count", str(count), "--size", f"{width}x{height}", "--to", str(to), "--json")
    return ClipCall(command(("frames", str(path), *how)), path, read)


def _said(texts: Iterable[object], found: dict[str, Any]) -> list[str]:
    """What the backend says to the user, to be translated."""
    return with_templates([clean(str(text)) for text in texts], found.get("templates"))
