"""The worker's pipes: stdout belongs to the protocol; whatever libraries print goes to stderr and the job's log."""

from __future__ import annotations

import ctypes
import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ..job_folder.log_size import kept_short
from ..job_folder.writing import LOG, open_log
from ..wire.encoding import encode
from ..wire.messages import Piece, Preview, Progress

MOST_BACKLOG = 2**20  # bytes: a host that does not read must not hold up the job
SECONDS_TO_FLUSH = 2.0
MOST_HANDLE = 0x2000  # a process that has just begun has some hundred


def take_pipes() -> tuple[int, int]:
    """-> file descriptors of the protocol's stdin and stdout, which nobody else can reach from now on.

    Descriptor 0 reads nothing any more, so that ffmpeg and the like do not eat messages, and 1 is stderr. The new
    descriptors are not inherited by child processes. On Windows, dup2 in the C runtime also sets the handles that
    GetStdHandle gives, and Python has set all three to binary already.
    """
    protocol_in, protocol_out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    _pass_nothing_else_on()
    return protocol_in, protocol_out


def _pass_nothing_else_on() -> None:
    """Children inherit stdin, stdout and stderr, and on Windows no other handle that we have inherited ourselves.

    A virtual environment's python.exe is a launcher: it hands on its own handles of the host's pipes besides the copies
    that become ours. A child that had them would hold the pipes open after our end."""
    if sys.platform != "win32":
        return
    import msvcrt

    kernel, inherit = ctypes.WinDLL("kernel32"), 1  # HANDLE_FLAG_INHERIT
    ours = {msvcrt.get_osfhandle(number) for number in (0, 1, 2)}
    for handle in range(4, MOST_HANDLE, 4):  # as Windows numbers them; those that are none are refused
        if handle not in ours:
            kernel.SetHandleInformation(ctypes.c_void_p(handle), inherit, 0)


class Printed(io.TextIOBase):
    """In the place of sys.stdout and sys.stderr: writes to the host's stderr and, while a job runs, to its log.

    Native libraries and child processes write to descriptors 1 and 2 themselves: during a job these are its log alone,
    a file, so that even the last words before a crash are kept. Logging handlers keep the stream they find first, hence
    one object for all jobs. A host that is gone, or a full disk, must not fail a job that prints: errors are dropped.
    """

    encoding = "utf-8"

    def __init__(self, host: int = 2) -> None:
        """host: the descriptor of its stderr."""
        self._host, self._log = host, -1

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2

    def write(self, text: str) -> int:
        data = text.encode("utf-8", "backslashreplace")
        for descriptor in (self._host, self._log):
            with suppress(OSError):  # also of a thread that still prints after its job
                os.write(descriptor, data)
        return len(text)

    @contextmanager
    def to_log_of(self, folder: Path) -> Iterator[None]:
        """Within the block, what is printed also goes to the job's log.txt, if that can be written. The log is kept
        within its bounds meanwhile, whoever writes to it."""
        try:
            log = open_log(folder)
        except OSError:  # the job itself will say that it cannot write there
            yield
            return
        self._log = log
        _let_both_be(log)
        try:
            with kept_short(folder / LOG):
                yield
        finally:
            _flush_native()
            _let_both_be(self._host)
            self._log = -1
            os.close(log)

    @classmethod
    def installed(cls) -> Printed:
        printed = cls(os.dup(2))
        sys.stdout = sys.stderr = printed
        return printed


def _let_both_be(descriptor: int) -> None:
    for number in (1, 2):
        os.dup2(descriptor, number)


def _flush_native() -> None:
    """C's stdout keeps what it is given, which would come out in the next job's log. On Windows most libraries share
    the C runtime that Python uses; others have buffers of their own."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None).fflush(None)


class Outbox:
    """Sends messages without ever making the sender wait; a host that is gone is written to in vain."""

    def __init__(self, descriptor: int):
        self._descriptor, self._waiting = descriptor, SimpleQueue[bytes | None]()
        self._guard, self._backlog = threading.Lock(), 0
        self._thread = threading.Thread(target=self._write_all, name="outbox", daemon=True)
        self._thread.start()

    def send(self, message: Any) -> None:
        line = encode(message)
        with self._guard:
            if self._backlog > MOST_BACKLOG and _can_be_spared(message):
                return
            self._backlog += len(line)
            self._waiting.put(line)

    def flush(self) -> None:
        """For the end: waits until all is written, but not for long."""
        self._waiting.put(None)
        self._thread.join(SECONDS_TO_FLUSH)

    def _write_all(self) -> None:
        with suppress(OSError):  # a broken pipe: the host is gone, which stdin tells too
            while (line := self._waiting.get()) is not None:
                size = len(line)
                while line:
                    line = line[os.write(self._descriptor, line) :]
                with self._guard:
                    self._backlog -= size


def _can_be_spared(message: Any) -> bool:
    """The next one will tell."""
    return isinstance(message, Progress | Preview) or (
        isinstance(message, Piece) and message.file.startswith("preview/")
    )
