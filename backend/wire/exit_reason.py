"""Explains why a worker ended, from its exit code and the end of its output. Standard library only."""

from __future__ import annotations

import signal
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..job_folder.plain_text import clean
from ..job_folder.problem import Sentence
from ..job_folder.reading import open_regular
from ..job_folder.writing import LOG

MAX_LINES, MAX_BYTES, LAST = 200, 4_000, 20
OUT_OF_MEMORY = (
    *("out of memory", "OutOfMemory", "MemoryError", "bad_alloc", "can't allocate memory", "not enough memory"),
    *("ALLOC_FAILED", "Cannot allocate memory"),
)
WINDOWS_NO_MEMORY = (0xC0000017, 0xC000012D)  # STATUS_NO_MEMORY, STATUS_COMMITMENT_LIMIT
MEMORY_HINT = "Set memory to thrifty, lower the setting frames, or close other programs; then run the job again."

LESS_MEMORY = "motionclone.take_less_memory"


@dataclass(frozen=True)
class Lost:
    """The worker ended without being asked to. `jobs` are its unfinished jobs, whose folders can be submitted again."""

    message: str
    hint: str
    repair: str = ""
    jobs: tuple[str, ...] = ()


class Tail:
    """The last lines of a pipe. A thread reads it to its end, so that the writer never blocks."""

    def __init__(self, pipe: IO[bytes] | None):
        self._lines = deque[str](maxlen=MAX_LINES)
        self._thread = threading.Thread(target=self._read, args=(pipe,), name="worker's stderr", daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """The lines read so far."""
        return "\n".join(list(self._lines))

    def finish(self) -> None:
        """Waits briefly for the rest after the process has ended. A child of the process may keep the pipe open."""
        self._thread.join(0.3)

    def _read(self, pipe: IO[bytes]) -> None:
        rest = b""
        with pipe:
            while data := pipe.read(65536):
                *lines, rest = (rest[-10_000:] + data).split(b"\n")
                self._lines.extend(_words(line) for line in lines if line.strip())
        if rest.strip():
            self._lines.append(_words(rest))


class LogTail:
    """What was added to the log.txt of the running job. Native libraries print their last errors there."""

    def __init__(self) -> None:
        self._path, self._from = Path(), 0

    def follow(self, folder: Path) -> None:
        """Follows the log of the job that now runs in this folder. Older content of the log is ignored."""
        path = folder / LOG
        if path != self._path:
            self._path, self._from = path, _size(path)

    @property
    def text(self) -> str:
        """The end of the log's new content; empty when it cannot be read."""
        try:
            size = _size(self._path)
            begin = self._from if self._from <= size else 0  # the worker shortens a log that grows too large
            with open_regular(self._path) as file:
                file.seek(max(begin, size - 10_000))
                return file.read(10_000).decode("utf-8", "replace")
        except OSError:
            return ""


def _words(line: bytes) -> str:
    return clean(line[:MAX_BYTES].decode("utf-8", "replace")).strip()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def reason(code: int, tail: str) -> tuple[str, str, str]:
    """Returns message, hint and repair, as in Problem. `code` is subprocess's exit code, a negative signal number
    included."""
    lines = tail.strip().splitlines()[-LAST:]  # earlier output is unrelated
    last = clean(lines[-1], 500).strip() if lines else ""
    if any(word in line for line in lines for word in OUT_OF_MEMORY) or code & 0xFFFFFFFF in WINDOWS_NO_MEMORY:
        return "The worker ran out of memory.", MEMORY_HINT, LESS_MEMORY
    if code in (-9, 137):  # 137: SIGKILL as reported by a shell or ssh
        return "The system killed the worker, probably because memory ran out.", MEMORY_HINT, LESS_MEMORY
    if code < 0:
        message = "The worker was stopped by {how}: {last}" if last else "The worker was stopped by {how}."
    else:
        message = "The worker exited with code {how}: {last}" if last else "The worker exited with code {how}."
    how = _signal_name(-code) if code < 0 else code
    return Sentence(message, how=how, last=last), "Run the job again. The details are in its log.txt.", ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
