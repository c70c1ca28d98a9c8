"""Writes files atomically and never through a link. Standard library only.

Every folder that may come from a stranger is written with these functions. A new file with a random name, under which
nobody can have planted a link, replaces the old one. A link in its place is replaced, and the link's target is not
touched.
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

from .problem import Sentence

SECONDS_TO_RETRY = 4.0  # because Windows neither replaces nor removes a file that another program has open
MAX_NAMES = 100
LOG = "log.txt"  # of a job; log_size.py limits its size
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # the errors of a full disk
PART = re.compile(r"(.+)\.[0-9a-f]{12}\.part")
_SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_OVERWRITE = os.O_WRONLY | _SAFE
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFE
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | _SAFE


def write_atomically(path: Path, content: str | bytes, durable: bool = False) -> None:
    """Writes a file so that readers see either the old content or the new. Text is encoded as UTF-8. Raises OSError.

    durable: the new content also survives a power failure right afterwards.
    """
    with replaced(path, durable) as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)


def write_json(path: Path, content: Any) -> None:
    """Writes indented JSON atomically. Raises ValueError for NaN and infinity, and OSError."""
    write_atomically(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def replaced(path: Path, durable: bool = False) -> Iterator[IO[bytes]]:
    """Yields a new file to write to. It replaces `path` at the end of the block unless an exception is raised. Raises
    OSError."""
    descriptor, part = _new_part(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        replace_with_retry(part, path)
    except BaseException as error:
        _remove(part)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # write errors of an open file have no name
        raise


def write_over(path: Path, content: bytes) -> bool:
    """Overwrites a file within its existing blocks, padded with spaces. On a full disk nothing else is possible.

    Returns whether that was possible. A reader may briefly see a mix of the old and the new content.
    """
    try:
        descriptor = os.open(path, _OVERWRITE)
    except OSError:
        return False
    try:
        found = os.fstat(descriptor)
        room = max(found.st_size, getattr(found, "st_blocks", 0) * 512)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or len(content) > room:
            return False  # a hard link may be someone else's file
        return os.write(descriptor, content.ljust(found.st_size)) >= len(content)
    except OSError:
        return False
    finally:
        os.close(descriptor)


@contextmanager
def new_part(path: Path) -> Iterator[Path]:
    """Yields an empty file next to `path`, for programs that write to a given name. Raises OSError.

    It is removed at the end of the block unless it has been renamed.
    """
    descriptor, part = _new_part(path)
    os.close(descriptor)
    try:
        yield part
    finally:
        _remove(part)


def replace_with_retry(part: Path, path: Path) -> None:
    """Renames `part` to `path`. Waits a few seconds for a program that has `path` open. Raises OSError."""
    _retry(lambda: os.replace(part, path))


def remove_with_retry(path: Path) -> None:
    """Removes a file if it exists. Waits a few seconds for a program that has it open. Raises OSError."""
    _retry(lambda: path.unlink(missing_ok=True))


def put_in_place(part: Path, path: Path, note: Callable[[str], None]) -> Path:
    """Like replace_with_retry, for results that took long to make. When another program keeps `path` open, `part` gets
    another name next to it: clip-2.mp4 for clip.mp4.

    Returns the final path. `note` gets a sentence about another name. Raises OSError.
    """
    try:
        replace_with_retry(part, path)
        return path
    except PermissionError:
        if not path.exists():
            raise
    other = _other_name(path)
    os.replace(part, other)
    note(
        Sentence(
            "{path} could not be replaced, because another program has it open. The new file is {other}.",
            path=path,
            other=other.name,
        )
    )
    return other


def open_log(folder: Path) -> int:
    """Opens the folder's log.txt for appending and returns its descriptor. Raises OSError for links and other kinds of
    files.

    A file with a hard link is replaced, because its other name may belong to someone else.
    """
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
    """Creates the folder if it is missing. Raises OSError for a link, which could lead anywhere, and for a file."""
    if is_link(path):
        raise OSError(errno.ELOOP, "a link instead of a folder", str(path))
    path.mkdir(exist_ok=True)


def is_link(path: Path) -> bool:
    """Whether it is a symbolic link, or a junction on Windows."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return False
    junction = getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", None)
    return stat.S_ISLNK(found.st_mode) or (bool(junction) and getattr(found, "st_reparse_tag", 0) == junction)


def remove(path: Path) -> None:
    """Removes a file, a link, or a folder with its content, if it exists. What cannot be removed stays."""
    if path.is_dir() and not is_link(path):
        shutil.rmtree(path, ignore_errors=True)
    elif is_link(path) or path.exists():
        path.unlink()


def remove_parts(folder: Path, names: Collection[str] | None = None, seconds: float = 0.0) -> None:
    """Removes incomplete files that killed processes left in the folder and that are older than `seconds`.

    names: of the final files; None means any.
    """
    with suppress(OSError):
        for path in list(folder.iterdir()):
            part = PART.fullmatch(path.name)
            with suppress(OSError):
                if part and (names is None or part[1] in names) and time.time() - path.lstat().st_mtime >= seconds:
                    path.unlink()


def _retry(do: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS_TO_RETRY
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
    """The first free name of clip-2.mp4, clip-3.mp4 and so on."""
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in range(2, MAX_NAMES))
    free = next((name for name in names if not os.path.lexists(name)), None)
    return free or path.with_name(f"{path.stem}-{secrets.token_hex(4)}{path.suffix}")


def _remove(part: Path) -> None:
    with suppress(OSError):  # the original error matters more
        part.unlink(missing_ok=True)
