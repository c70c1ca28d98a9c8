"""Locks a job folder for one worker at a time. Standard library only.

These are the system's file locks, which end with their process however it ends, so nothing needs cleaning up after
SIGKILL. Two things are locked: a file in the folder, which also works across machines, and the folder itself, so that
deleting the file does not let a second worker in. Windows does not delete open files; there, the file is enough.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path

from .plain_text import clean
from .reading import UnfitFile, read_json
from .state import QUEUED, RUNNING, read_state

NAME, MAX_BYTES = "worker.lock", 10_000
SECONDS_TO_WAIT = 0.3  # another process may only be checking with `is_locked`
WINDOWS_BYTE = 2**30  # the locked byte lies behind the content, because a lock on Windows also prevents reading
_SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, WINDOWS_BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    def _lock_folder(folder: Path) -> int | None:
        return None
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _lock_folder(folder: Path) -> int | None:
        """Opens and locks the folder; None where folders cannot be locked. Raises BlockingIOError while another process
        has it."""
        file = os.open(folder, os.O_RDONLY)
        try:
            _lock(file)
            return file
        except BlockingIOError:
            os.close(file)
            raise
        except OSError:  # some network file systems lock only files opened for writing
            os.close(file)
            return None


class Occupied(Exception):
    """Another process uses the folder. The text is for the user."""


class FolderLock:
    """Holds a folder until `release` is called or this process ends."""

    def __init__(self, folder: Path):
        """Raises Occupied when another process holds the folder, and OSError when it cannot be written."""
        self._path = folder / NAME
        deadline = time.monotonic() + SECONDS_TO_WAIT
        while (locked := _locked(self._path)) is None:
            if time.monotonic() > deadline:
                raise Occupied(f"The job folder {folder} is in use by another worker{_owner(self._path)}.")
            time.sleep(0.02)
        self._file, self._folder = locked
        content = json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode()
        with suppress(OSError):  # on a full disk the lock works, but does not name its owner
            if os.fstat(self._file).st_nlink <= 1:  # with a hard link it could be someone else's file
                os.ftruncate(self._file, 0)
                os.lseek(self._file, 0, os.SEEK_SET)
                os.write(self._file, content)

    def release(self) -> None:
        """Releases the folder and removes the lock file."""
        if sys.platform == "win32":  # Windows does not remove open files
            os.close(self._file)
            with suppress(OSError):
                self._path.unlink()
            return
        with suppress(OSError):  # the file may have been deleted and replaced by another process
            if os.path.samestat(os.fstat(self._file), self._path.lstat()):
                self._path.unlink()
        os.close(self._file)
        if self._folder is not None:
            os.close(self._folder)


def is_locked(folder: Path) -> bool:
    """Whether a running process holds the folder."""
    try:
        held = _lock_folder(folder)
    except BlockingIOError:
        return True
    except OSError:
        return False
    try:
        return _file_is_locked(folder / NAME)
    finally:
        if held is not None:
            os.close(held)


def unfinished(root: Path) -> list[Path]:
    """The job folders in `root` that a worker left queued or running when it ended, to be offered again."""
    try:
        folders = sorted(path for path in root.iterdir() if (path / "state.json").is_file())
    except OSError:
        return []
    return [f for f in folders if read_state(f).state in (QUEUED, RUNNING) and not is_locked(f)]


def _open(path: Path, create: int = 0) -> int:
    """Opens the lock file without following a link. Raises OSError, also when it is not a regular file."""
    file = os.open(path, os.O_RDWR | create | _SAFE, 0o644)
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    raise UnfitFile(errno.EINVAL, "no regular file", str(path))


def _locked(path: Path) -> tuple[int, int | None] | None:
    """Opens and locks the lock file and its folder; None while another process has them. Raises OSError."""
    try:
        folder = _lock_folder(path.parent)
    except BlockingIOError:
        return None
    file = None
    try:
        file = _locked_file(path)
    finally:
        if file is None and folder is not None:
            os.close(folder)
    return None if file is None else (file, folder)


def _locked_file(path: Path) -> int | None:
    """Opens and locks the lock file; None while another process has it. Raises OSError."""
    file = _open(path, os.O_CREAT)
    try:
        _lock(file)
        if os.path.samestat(os.fstat(file), path.stat()):
            return file
    except OSError:  # locked by another process, or just removed by its last owner
        pass
    os.close(file)
    return None


def _file_is_locked(path: Path) -> bool:
    try:
        file = _open(path)
    except OSError:
        return False
    try:
        _lock(file)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def _owner(path: Path) -> str:
    try:
        content = read_json(path, MAX_BYTES)
        return f" (process {int(content['pid'])} on {clean(str(content['host']), 100)})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
