"""Writes, replaces and removes files atomically."""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

# Windows neither replaces nor removes open files. A virus scanner or Blender closes them soon.
SECONDS_TO_RETRY = 10.0 if os.name == "nt" else 0.0
_JUNCTION = 0xA0000003  # Windows' IO_REPARSE_TAG_MOUNT_POINT


def write_whole(path: Path, text: str) -> None:
    """Writes text so that readers see either the old text or the new, also after a power failure. Raises OSError.

    It never writes through a link: a new file with a random name replaces the old one.
    """
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(text.encode("utf-8"))
            stream.flush()
            os.fsync(stream.fileno())
        replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def replace(part: Path, path: Path) -> None:
    """Like os.replace, but retries while another program has the file open. Raises OSError."""
    _retry(lambda: os.replace(part, path))


def delete(path: Path) -> None:
    """Removes a file if it exists, with the same retries. Raises OSError."""
    _retry(lambda: path.unlink(missing_ok=True))


def _retry(do: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS_TO_RETRY
    while True:
        try:
            do()
            return
        except PermissionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def is_link(path: Path) -> bool:
    """Whether it is a symbolic link or, on Windows, a junction, which users without special rights link folders
    with."""
    try:
        facts = path.lstat()
    except OSError:
        return False
    return stat.S_ISLNK(facts.st_mode) or getattr(facts, "st_reparse_tag", 0) == _JUNCTION


def is_there(path: Path) -> bool:
    """Like Path.exists, but also true for a broken link."""
    return os.path.lexists(path)
