"""Keeps a log within bounds: its beginning and its end stay, what lies between goes. Standard library only.

Native libraries and child processes append to a job's log by a descriptor of their own, at any moment. So the log is
shortened in place: its end stays where it is until it has been copied further ahead, and what is appended meanwhile is
copied too. Whenever the process dies, the last words are in the file.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

MOST_BYTES = 4 * 2**20
KEPT = 2**20  # bytes of the beginning, and as many of the end
LEFT_OUT = b"\n[Here a part of this log was left out, because it grew too long.]\n"
SECONDS = 0.25  # between looks at the log of a running job
PIECE, MOST_PIECES = 2**16, 1000  # copied at once; and in all, where the log grows as fast as it is copied
_OVER = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def shorten(log: Path) -> None:
    """Brings a log beyond MOST_BYTES down to KEPT bytes of its beginning and KEPT of its end. Does nothing for what is
    not there, no regular file, or also another's file by a hard link, and never raises."""
    with suppress(OSError), os.fdopen(os.open(log, _OVER), "r+b", buffering=0) as file:
        found = os.fstat(file.fileno())
        if stat.S_ISREG(found.st_mode) and found.st_nlink <= 1 and found.st_size > MOST_BYTES:
            _close_gap(file, KEPT, found.st_size - KEPT)


@contextmanager
def kept_short(log: Path) -> Iterator[None]:
    """Shortens the log as often as it grows too long within the block, and at its beginning and end."""
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
    """Puts a line that says so in the place of the bytes between, and what follows `end` behind it."""
    file.seek(start)
    file.write(LEFT_OUT)
    to, rest = start + len(LEFT_OUT), end
    for _ in range(MOST_PIECES):
        file.seek(rest)
        if not (piece := file.read(PIECE)):
            break
        file.seek(to)
        written = file.write(piece) or 0
        to, rest = to + written, rest + written
    file.truncate(to)
