"""The worker's pipes. Stdout is for the protocol; what libraries print goes to stderr and to the job's log."""

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

from ..job_folder.log_size import limited_log
from ..job_folder.writing import LOG, open_log
from ..wire.encoding import encode
from ..wire.messages import Piece, Preview, Progress

MAX_BACKLOG = 2**20  # bytes; a host that does not read must not block the job
SECONDS_TO_FLUSH = 2.0
MAX_HANDLE = 0x2000  # a new process has a few hundred


def take_pipes() -> tuple[int, int]:
    """Moves the protocol's stdin and stdout to new file descriptors that nothing else can reach, and returns them.

    Afterwards descriptor 0 is empty, so that ffmpeg and similar programs cannot consume messages, and 1 is stderr.
    Child processes do not inherit the new descriptors. On Windows, dup2 in the C runtime also sets the handles of
    GetStdHandle, and Python has already switched all three to binary mode.
    """
    protocol_in, protocol_out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    _stop_inheritance()
    return protocol_in, protocol_out


def _stop_inheritance() -> None:
    """Lets children on Windows inherit stdin, stdout and stderr only, and none of the handles that this process
    inherited.

    The python.exe of a virtual environment is a launcher. It passes on its own handles of the host's pipes besides the
    copies that become ours. A child with these handles would keep the pipes open after this process has ended.
    """
    if sys.platform != "win32":
        return
    import msvcrt

    kernel, inherit = ctypes.WinDLL("kernel32"), 1  # HANDLE_FLAG_INHERIT
    ours = {msvcrt.get_osfhandle(number) for number in (0, 1, 2)}
    for handle in range(4, MAX_HANDLE, 4):  # the numbers that Windows uses; invalid ones are rejected
        if handle not in ours:
            kernel.SetHandleInformation(ctypes.c_void_p(handle), inherit, 0)


class Printed(io.TextIOBase):
    """Replaces sys.stdout and sys.stderr: writes to the host's stderr and, while a job runs, to the job's log.

    Native libraries and child processes write to descriptors 1 and 2 directly. During a job these are the log file, so
    that even output just before a crash is kept. Logging handlers keep the first stream that they find, so one object
    serves all jobs. Write errors are ignored: a lost host or a full disk must not fail a job that prints.
    """

    encoding = "utf-8"

    def __init__(self, host: int = 2) -> None:
        """`host` is the descriptor of the host's stderr."""
        self._host, self._log = host, -1

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2

    def write(self, text: str) -> int:
        data = text.encode("utf-8", "backslashreplace")
        for descriptor in (self._host, self._log):
            with suppress(OSError):  # also from a thread that still prints after its job
                os.write(descriptor, data)
        return len(text)

    @contextmanager
    def copied_to_log(self, folder: Path) -> Iterator[None]:
        """Copies printed text to the job's log.txt during the block, if the log can be written. The log's size is
        limited meanwhile."""
        try:
            log = open_log(folder)
        except OSError:  # the job itself reports that it cannot write there
            yield
            return
        self._log = log
        _redirect_output(log)
        try:
            with limited_log(folder / LOG):
                yield
        finally:
            _flush_native()
            _redirect_output(self._host)
            self._log = -1
            os.close(log)

    @classmethod
    def installed(cls) -> Printed:
        """Creates the object and installs it as sys.stdout and sys.stderr."""
        printed = cls(os.dup(2))
        sys.stdout = sys.stderr = printed
        return printed


def _redirect_output(descriptor: int) -> None:
    for number in (1, 2):
        os.dup2(descriptor, number)


def _flush_native() -> None:
    """Flushes C's stdout, whose buffer would otherwise end up in the next job's log. On Windows most libraries share
    the C runtime that Python uses; others have buffers of their own."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None).fflush(None)


class Outbox:
    """Sends messages without blocking the sender. Messages to a lost host are discarded."""

    def __init__(self, descriptor: int):
        self._descriptor, self._waiting = descriptor, SimpleQueue[bytes | None]()
        self._guard, self._backlog = threading.Lock(), 0
        self._thread = threading.Thread(target=self._write_all, name="outbox", daemon=True)
        self._thread.start()

    def send(self, message: Any) -> None:
        """Queues a message. When the host reads too slowly, outdated progress and previews are dropped."""
        line = encode(message)
        with self._guard:
            if self._backlog > MAX_BACKLOG and _is_droppable(message):
                return
            self._backlog += len(line)
            self._waiting.put(line)

    def flush(self) -> None:
        """Waits, but not long, until everything is written. For the end of the process."""
        self._waiting.put(None)
        self._thread.join(SECONDS_TO_FLUSH)

    def _write_all(self) -> None:
        with suppress(OSError):  # a broken pipe: the host is gone, which closes stdin too
            while (line := self._waiting.get()) is not None:
                size = len(line)
                while line:
                    line = line[os.write(self._descriptor, line) :]
                with self._guard:
                    self._backlog -= size


def _is_droppable(message: Any) -> bool:
    """Whether a later message replaces this one."""
    return isinstance(message, Progress | Preview) or (
        isinstance(message, Piece) and message.file.startswith("preview/")
    )
