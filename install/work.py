"""The work folder next to an environment or another folder that is being filled: its lock, log and downloads.

It belongs to the installer only if it contains our mark, because a user may have a folder with that name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .clearing import clear
from .failures import OTHER_FOLDER, InstallError
from .files import is_link, is_there, write_whole
from .paths import work_folder
from .sentences import Sentence
from .state import LOCK_FILE, NAME, locked

MARK = "motionclone-work.txt"
MEANING = "MotionClone's installer keeps its lock, its log and unfinished downloads here. It removes them itself.\n"
LOG = "install.log"
OLDER = (NAME, "motionclone-ready")  # the marks of version 0.1 in finished folders
DOWNLOADS, SCRATCH = FOLDERS = ("downloads", "scratch")


@contextmanager
def locked_work_folder(folder: Path, elsewhere: str = OTHER_FOLDER) -> Iterator[Path]:
    """Creates and locks the work folder next to `folder`. Raises InstallError if another process uses it or it is not
    ours.

    elsewhere: a sentence with an alternative.
    """
    work = work_folder(folder)
    if not is_our_work(folder):
        raise InstallError(
            "{work} exists already and was not made by MotionClone, which needs that name next to {folder}.",
            "Rename that folder. {elsewhere}",
        ).about(work=work, folder=folder.name, elsewhere=Sentence(elsewhere))
    with locked(work, elsewhere):
        if not is_there(work / MARK):
            write_whole(work / MARK, MEANING)
        yield work


def is_our_work(folder: Path) -> bool:
    """Whether the installer may write to the work folder and remove its content: it is missing, empty, or contains our
    mark."""
    work = work_folder(folder)
    if not is_there(work):
        return True
    if not work.is_dir():
        return False
    names = {path.name for path in work.iterdir()}
    return not names or MARK in names or _is_older(folder, work, names)


def log_file(folder: Path) -> Path:
    """The log next to `folder`, or the null device if the work folder is not ours."""
    return work_folder(folder) / LOG if is_our_work(folder) else Path(os.devnull)


def clear_work(folder: Path) -> bool:
    """Removes the work folder, or only the link to it. Returns whether there was one of ours."""
    work = work_folder(folder)
    if not is_there(work) or not is_our_work(folder):
        return False
    if is_link(work):
        clear(work)
        return True
    for path in (*_within(work), work / LOG, work / LOCK_FILE, work / MARK):
        clear(path)
    with suppress(OSError):  # other files in it stay
        work.rmdir()
    return True


def clear_downloads(work: Path) -> None:
    """Removes what is no longer needed after an installation has finished."""
    for name in FOLDERS:
        clear(work / name)


def _within(work: Path) -> Iterator[Path]:
    yield from (work / name for name in FOLDERS)
    yield from work.glob("check-*")


def _is_older(folder: Path, work: Path, names: set[str]) -> bool:
    """Whether version 0.1, which set no mark, created it: next to one of our folders, containing only what it wrote and
    its lock.

    A lock alone is left by a run that was killed before it set the mark.
    """
    lock = work / LOCK_FILE
    if not lock.is_file() or lock.stat().st_size:
        return False
    ours = all(name in (LOCK_FILE, LOG, *FOLDERS) or name.startswith("check-") for name in names)
    return names == {LOCK_FILE} or (ours and any((folder / name).is_file() for name in OLDER))
