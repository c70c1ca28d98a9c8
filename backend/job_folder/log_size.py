"""Limits the size of a log by keeping its beginning and its end. Standard library only.

Native libraries and child processes can append to a job's log through their own descriptors at any time. The log is
therefore shortened in place: its end is kept until it has been copied forward, and what is appended meanwhile is copied
as well. Whenever the process is killed, the last output is still in the file.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

MAX_BYTES = 4 * 2**20
KEPT = 2**20  # bytes of the beginning, and the same of the end
LEFT_OUT = b"\n[Here a part of this log was left out, because it grew too long.]\n"
SECONDS = 0.25  # between checks of a running job's log
PIECE, MAX_PIECES = 2**16, 1000  # bytes copied at once; limit for a log that grows as fast as it is copied
_OVERWRITE = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def shorten(log: Path) -> None:
    """Shortens a log that exceeds MAX_BYTES to KEPT bytes of its beginning and KEPT bytes of its end. Never raises.

    Missing files, other kinds of files and files with hard links are left alone.
    """
    with suppress(OSError), os.fdopen(os.open(log, _OVERWRITE), "r+b", buffering=0) as file:
        found = os.fstat(file.fileno())
        if stat.S_ISREG(found.st_mode) and found.st_nlink <= 1 and found.st_size > MAX_BYTES:
            _close_gap(file, KEPT, found.st_size - KEPT)


@contextmanager
def limited_log(log: Path) -> Iterator[None]:
    """Keeps the log within its bounds during the block."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(SECONDS):
            shorten(log)

    shorten(log)
    thread = threading.Thread(target=watch, name="log's watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        shorten(log)


def _close_gap(file: IO[bytes], start: int, end: int) -> None:
    """Replaces the bytes between `start` and `end` with a note that part of the log was left out."""
    file.seek(start)
    file.write(LEFT_OUT)
    to, rest = start + len(LEFT_OUT), end
    for _ in range(MAX_PIECES):
        file.seek(rest)
        if not (piece := file.read(PIECE)):
            break
        file.seek(to)
        written = file.write(piece) or 0
        to, rest = to + written, rest + written
    file.truncate(to)
