"""Runs ffmpeg as a child process that can be cancelled, and that is stopped if it hangs."""

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

from ..errors import REPAIR, Cancelled
from ..job_folder.problem import Problem
from ..wire.processes import DETACHED, kill

CHOSEN = "IMAGEIO_FFMPEG_EXE"  # imageio-ffmpeg's own variable
SECONDS_SILENT = 120  # without output, after which ffmpeg counts as hung: it reports twice a second
SECONDS_BETWEEN_CHECKS = 0.1
MAX_LINE = 65536  # bytes; a longer line is split
MAX_LINES = 1_000_000  # of the log that are kept, from its start and from its end
REPORT = re.compile(r"\w+=\s*\S*")  # a progress line, which only shows that ffmpeg still works

Check = Callable[[], None]  # raises Cancelled when the user has cancelled the job


def never_cancelled() -> None:
    """A check for callers that are stopped in another way, such as a command line by Ctrl-C."""


def find_ffmpeg() -> str:
    """Returns the path of ffmpeg: the chosen one, the one of imageio-ffmpeg, or the system's. Raises Problem if none.

    imageio-ffmpeg's own search runs each candidate and would wait forever for one that hangs.
    """
    if chosen := os.environ.get(CHOSEN):
        return chosen
    bundled = Path(imageio_ffmpeg.__file__).parent / "binaries"
    found = next((str(path) for path in sorted(bundled.glob("ffmpeg*")) if path.is_file()), shutil.which("ffmpeg"))
    if not found:
        raise Problem(
            "ffmpeg, which reads and writes videos, is missing from {folder}.",
            REPAIR,
            repair="motionclone.install_backend",
        ).about(folder=bundled)
    return found


class Ffmpeg:
    """A running ffmpeg, as a context manager: the end of the `with` block stops it.

    Leaving the block raises Cancelled if the user cancelled, and Problem if ffmpeg hung.
    """

    def __init__(self, arguments: Sequence[str], check: Check, stdin: int = subprocess.DEVNULL, reporting: bool = True):
        """check: called several times a second. stdin: subprocess.PIPE to feed it. reporting: whether it reports its
        progress, which would mix with the lines of a log that is read. Raises Problem if it cannot start.
        """
        path = find_ffmpeg()
        self._check, self._stop_reason, self._ended = check, None, threading.Event()
        self._last_output = time.monotonic()
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
        self._ended.set()
        for thread in self._threads:
            thread.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            _close(pipe)
        if self._stop_reason:  # it caused any other error
            raise self._stop_reason from None

    def read(self, size: int = -1) -> bytes:
        """Reads `size` bytes of its output, fewer at the end; all by default."""
        assert self._process.stdout is not None
        data = self._process.stdout.read(size)
        self._last_output = time.monotonic()
        return data

    def feed(self, pieces: Iterable[bytes]) -> None:
        """Writes to its input and closes it. If ffmpeg exits early, its log contains the reason."""
        pipe = self._process.stdin
        assert pipe is not None
        try:
            for piece in pieces:
                pipe.write(piece)
                self._last_output = time.monotonic()
            pipe.close()
        except OSError:  # a broken pipe, under different names
            pass

    def finish(self) -> tuple[int, str]:
        """Waits until it ends; returns exit code and log."""
        code = self._process.wait()
        self._threads[0].join()
        return code, "\n".join([*self._head, *self._tail])

    def _listen(self) -> None:
        pipe = self._process.stderr
        assert pipe is not None
        while line := pipe.readline(MAX_LINE):
            self._last_output = time.monotonic()
            text = line.decode("utf-8", "replace").rstrip()
            if not REPORT.fullmatch(text):
                (self._head if len(self._head) < MAX_LINES else self._tail).append(text)

    def _watch(self) -> None:
        """Stops ffmpeg if the user cancels or if it hangs, so that nothing waits for it any longer."""
        while not self._ended.wait(SECONDS_BETWEEN_CHECKS):
            try:
                self._check()
            except Cancelled as error:
                self._stop_reason = error
            if time.monotonic() - self._last_output > SECONDS_SILENT:
                self._stop_reason = Problem(
                    "ffmpeg ({path}) has not answered for {seconds} seconds and was stopped.",
                    "Run the job again. If it happens again, check whether the disk or a virus scanner blocks ffmpeg.",
                ).about(path=self._path, seconds=SECONDS_SILENT)
            if self._stop_reason:
                return kill(self._process)


def _not_started(path: str, reason: str) -> Problem:
    chosen = bool(os.environ.get(CHOSEN))
    return Problem(
        "ffmpeg ({path}) cannot be started: {reason}.",
        "The environment variable {variable} sets this path: fix or remove it." if chosen else REPAIR,
        repair="" if chosen else "motionclone.install_backend",
    ).about(path=path, reason=reason, variable=CHOSEN)


def _close(pipe) -> None:
    try:
        if pipe:
            pipe.close()
    except OSError:  # unwritten data has no reader any more
        pass
