"""Files that come into their place whole, or not at all."""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

# Windows replaces and removes no file that another program has open; a virus scanner or a Blender soon lets go of it.
SECONDS_OF_PATIENCE = 10.0 if os.name == "nt" else 0.0
_JUNCTION = 0xA0000003  # Windows' IO_REPARSE_TAG_MOUNT_POINT


def write_whole(path: Path, text: str) -> None:
    """A reader sees the old text or the new, also after a power cut. Nothing is written through a link: the new file
    has a name that nobody can foresee, and takes the place of what was there."""
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
    """As os.replace, but with patience while another program has the file open."""
    _insist(lambda: os.replace(part, path))


def delete(path: Path) -> None:
    """Removes a file if it is there, with the same patience."""
    _insist(lambda: path.unlink(missing_ok=True))


def _insist(do: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS_OF_PATIENCE
    while True:
        try:
            do()
            return
        except PermissionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def is_link(path: Path) -> bool:
    """A symbolic link, or on Windows a junction, which is what people without rights link folders with."""
    try:
        facts = path.lstat()
    except OSError:
        return False
    return stat.S_ISLNK(facts.st_mode) or getattr(facts, "st_reparse_tag", 0) == _JUNCTION


def is_there(path: Path) -> bool:
    """As Path.exists, but a link to nothing is there too."""
    return os.path.lexists(path)
