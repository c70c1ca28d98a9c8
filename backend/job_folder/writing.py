"""Files written whole or not at all, and never through a link. Standard library only.

Every folder that may have come from a stranger is written with these: a new file of a random name, which nobody can
have planted a link under, takes the place of the old one. A link in that place is replaced, its target left alone.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

PATIENCE = 4.0  # seconds: Windows neither replaces nor removes a file that another program has open
MOST_NAMES = 100
LOG = "log.txt"  # of a job; kept within bounds by log_size.py
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # what a disk without room answers
PART = re.compile(r"(.+)\.[0-9a-f]{12}\.part")
_SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_OVER = os.O_WRONLY | _SAFE
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFE
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | _SAFE


def write_atomically(path: Path, content: str | bytes, durable: bool = False) -> None:
    """A reader sees the old content or the new, never a part. Text is written as UTF-8.

    durable: also when the power fails right afterwards. OSError."""
    with replaced(path, durable) as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)


def write_json(path: Path, content: Any) -> None:
    """Like write_atomically, as people can read it. ValueError for NaN and infinity. OSError."""
    write_atomically(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def replaced(path: Path, durable: bool = False) -> Iterator[IO[bytes]]:
    """A new file to write into, which takes the place of `path` at the end of the block unless that raises. OSError."""
    descriptor, part = _new_part(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        replace_patiently(part, path)
    except BaseException as error:
        _remove(part)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # what is written into an open file fails without its name
        raise


def write_over(path: Path, content: bytes) -> bool:
    """Writes into the room that the file has already, filled up with spaces: all that a full disk still takes.

    -> whether that was possible. A reader may for a moment see neither the old nor the new content."""
    try:
        descriptor = os.open(path, _OVER)
    except OSError:
        return False
    try:
        found = os.fstat(descriptor)
        room = max(found.st_size, getattr(found, "st_blocks", 0) * 512)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or len(content) > room:
            return False  # a second name may be of a file elsewhere
        return os.write(descriptor, content.ljust(found.st_size)) >= len(content)
    except OSError:
        return False
    finally:
        os.close(descriptor)


@contextmanager
def new_part(path: Path) -> Iterator[Path]:
    """An empty file beside `path`, for programs that write to a name. It is removed at the end of the block unless
    it was put into its place. OSError."""
    descriptor, part = _new_part(path)
    os.close(descriptor)
    try:
        yield part
    finally:
        _remove(part)


def replace_patiently(part: Path, path: Path) -> None:
    """Puts `part` in the place of `path`, waiting a few seconds for a program that has it open. OSError."""
    _insist(lambda: os.replace(part, path))


def remove_patiently(path: Path) -> None:
    """Removes a file if it is there, waiting a few seconds for a program that has it open. OSError."""
    _insist(lambda: path.unlink(missing_ok=True))


def put_in_place(part: Path, path: Path, say: Callable[[str], None]) -> Path:
    """Like replace_patiently, for what took long to make: when another program keeps `path` open, `part` gets another
    name beside it, clip-2.mp4 for clip.mp4. -> the name that it got; say: is given a sentence about that. OSError."""
    try:
        replace_patiently(part, path)
        return path
    except PermissionError:
        if not path.exists():
            raise
    other = _other_name(path)
    os.replace(part, other)
    say(f"{path} could not be replaced, because another program has it open; the new one is {other.name}.")
    return other


def open_log(folder: Path) -> int:
    """The descriptor of the folder's log.txt, to append to. OSError for a link, and for what is no regular file. One
    that is also another's file, by a hard link, is left to the other."""
    path = folder / LOG
    descriptor = os.open(path, _APPEND, 0o666)
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_nlink <= 1:
        return descriptor
    os.close(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "no regular file", str(path))
    path.unlink()
    return os.open(path, _APPEND | os.O_EXCL, 0o666)


def make_folder(path: Path) -> None:
    """Makes the folder unless there is one. OSError for a link there, which could lead anywhere, and for a file."""
    if is_link(path):
        raise OSError(errno.ELOOP, "a link instead of a folder", str(path))
    path.mkdir(exist_ok=True)


def is_link(path: Path) -> bool:
    """Whether it leads elsewhere: a symbolic link, or a junction on Windows."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return False
    junction = getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", None)
    return stat.S_ISLNK(found.st_mode) or (bool(junction) and getattr(found, "st_reparse_tag", 0) == junction)


def remove(path: Path) -> None:
    """A file, a link or a folder with all that is in it, if it is there. What cannot be removed stays."""
    if path.is_dir() and not is_link(path):
        shutil.rmtree(path, ignore_errors=True)
    elif is_link(path) or path.exists():
        path.unlink()


def remove_parts(folder: Path, names: Collection[str] | None = None, seconds: float = 0.0) -> None:
    """Removes what writers that were killed have left in the folder of files of these names (None: of any), if it is
    older than so many seconds."""
    with suppress(OSError):
        for path in list(folder.iterdir()):
            part = PART.fullmatch(path.name)
            with suppress(OSError):
                if part and (names is None or part[1] in names) and time.time() - path.lstat().st_mtime >= seconds:
                    path.unlink()


def _insist(do: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            do()
            return
        except PermissionError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.05)


def _new_part(path: Path) -> tuple[int, Path]:
    part = path.with_name(f"{path.name}.{secrets.token_hex(6)}.part")
    return os.open(part, _NEW, 0o666), part


def _other_name(path: Path) -> Path:
    """The first of clip-2.mp4, clip-3.mp4 ... that is free."""
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in range(2, MOST_NAMES))
    free = next((name for name in names if not os.path.lexists(name)), None)
    return free or path.with_name(f"{path.stem}-{secrets.token_hex(4)}{path.suffix}")


def _remove(part: Path) -> None:
    with suppress(OSError):  # the error that matters is already on its way
        part.unlink(missing_ok=True)
