"""ffmpeg as a child process: it says what is wrong when it cannot start, can be cancelled, and is given up when it
hangs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType

import imageio_ffmpeg

from ..errors import REPAIR, Cancelled, JobError
from ..wire.processes import DETACHED, kill

CHOSEN = "IMAGEIO_FFMPEG_EXE"  # imageio-ffmpeg's own variable
SECONDS_SILENT = 120  # after which ffmpeg is taken to hang: it reports twice a second
SECONDS_BETWEEN_LOOKS = 0.1
MAX_LINE = 65536  # bytes; what is longer comes in pieces
MAX_LINES = 1_000_000  # kept of its log, from the beginning and from the end
REPORT = re.compile(r"\w+=\s*\S*")  # a line of its progress, which is a sign of life and nothing else

Check = Callable[[], None]  # raises Cancelled once the user wants the job to stop


def never_cancelled() -> None:
    """For callers that are stopped in another way, such as a command line by Ctrl-C."""


def find_ffmpeg() -> str:
    """The ffmpeg to run: the chosen one, the one that imageio-ffmpeg brings, or the system's. JobError without any.

    imageio-ffmpeg's own search starts each candidate and waits for it, for ever if it hangs."""
    if chosen := os.environ.get(CHOSEN):
        return chosen
    brought = Path(imageio_ffmpeg.__file__).parent / "binaries"
    found = next((str(path) for path in sorted(brought.glob("ffmpeg*")) if path.is_file()), shutil.which("ffmpeg"))
    if not found:
        raise JobError(f"ffmpeg, which reads and writes videos, is missing from {brought}.", REPAIR)
    return found


class Ffmpeg:
    """A running ffmpeg, to be used in a `with` block, at whose end it is stopped.

    Leaving the block raises Cancelled when the user wanted to stop, and JobError when ffmpeg hung."""

    def __init__(self, arguments: Sequence[str], check: Check, stdin: int = subprocess.DEVNULL, reporting: bool = True):
        """check: asked several times a second. stdin: subprocess.PIPE to feed it. reporting: whether it reports how far
        it is, which would get between the lines of a log that is read. JobError when it cannot start."""
        path = find_ffmpeg()
        self._check, self._wish, self._over = check, None, threading.Event()
        self._life = time.monotonic()
        try:
            self._process = subprocess.Popen(
                [path, *(("-progress", "pipe:2") if reporting else ()), *arguments],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                **DETACHED,
            )
        except OSError as error:
            raise _not_started(path, error.strerror or str(error)) from None
        self._path = path
        self._head, self._tail = list[str](), deque[str](maxlen=MAX_LINES)
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._listen, self._watch)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Ffmpeg:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        kill(self._process)
        self._process.wait()
        self._over.set()
        for thread in self._threads:
            thread.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            _close(pipe)
        if self._wish:  # the reason for whatever else went wrong
            raise self._wish from None

    def read(self, size: int = -1) -> bytes:
        """So many bytes of its output, fewer at the end; all by default."""
        assert self._process.stdout is not None
        data = self._process.stdout.read(size)
        self._life = time.monotonic()
        return data

    def feed(self, pieces: Iterable[bytes]) -> None:
        """Writes to its input and closes that; if ffmpeg leaves early, its log says why."""
        pipe = self._process.stdin
        assert pipe is not None
        try:
            for piece in pieces:
                pipe.write(piece)
                self._life = time.monotonic()
            pipe.close()
        except OSError:  # a broken pipe, by one name or the other
            pass

    def finish(self) -> tuple[int, str]:
        """Waits for its end -> exit code and log."""
        code = self._process.wait()
        self._threads[0].join()
        return code, "\n".join([*self._head, *self._tail])

    def _listen(self) -> None:
        pipe = self._process.stderr
        assert pipe is not None
        while line := pipe.readline(MAX_LINE):
            self._life = time.monotonic()
            text = line.decode("utf-8", "replace").rstrip()
            if not REPORT.fullmatch(text):
                (self._head if len(self._head) < MAX_LINES else self._tail).append(text)

    def _watch(self) -> None:
        """Stops ffmpeg, so that whoever waits for it goes on."""
        while not self._over.wait(SECONDS_BETWEEN_LOOKS):
            try:
                self._check()
            except Cancelled as wish:
                self._wish = wish
            if time.monotonic() - self._life > SECONDS_SILENT:
                self._wish = JobError(
                    f"ffmpeg ({self._path}) has not answered for {SECONDS_SILENT} seconds and was stopped.",
                    "Run the job again. If that happens again, look whether the disk or a virus scanner blocks it.",
                )
            if self._wish:
                return kill(self._process)


def _not_started(path: str, reason: str) -> JobError:
    chosen = f"The environment variable {CHOSEN} names it: correct or remove that."
    return JobError(f"ffmpeg ({path}) cannot be started: {reason}.", chosen if os.environ.get(CHOSEN) else REPAIR)


def _close(pipe) -> None:
    try:
        if pipe:
            pipe.close()
    except OSError:  # what was still to be written has no reader any more
        pass
