"""The folder beside an environment, or beside another folder that is being filled: its lock, its log and its downloads.

Only a folder with our mark in it is ours: somebody may have a folder of that name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .clearing import clear
from .failures import OTHER_FOLDER, InstallError
from .files import is_link, is_there, write_whole
from .places import work_folder
from .state import LOCK_FILE, NAME, held

MARK = "motionclone-work.txt"
MEANING = "MotionClone's installer keeps its lock, its log and unfinished downloads here. It removes them itself.\n"
LOG = "install.log"
OLDER = (NAME, "motionclone-ready")  # what version 0.1 marked finished folders with
DOWNLOADS, SCRATCH = FOLDERS = ("downloads", "scratch")


@contextmanager
def at_work(folder: Path, elsewhere: str = OTHER_FOLDER) -> Iterator[Path]:
    """The work folder beside `folder`, which one process at a time works in. InstallError where another does, or where
    a folder of that name is somebody else's. elsewhere: what else to do then, in a sentence."""
    work = work_folder(folder)
    if not is_our_work(folder):
        raise InstallError(
            f"{work} exists already and was not made by MotionClone, which needs that name beside {folder.name}.",
            f"Give that folder another name. {elsewhere}",
        )
    with held(work, elsewhere):
        if not is_there(work / MARK):
            write_whole(work / MARK, MEANING)
        yield work


def is_our_work(folder: Path) -> bool:
    """Whether we may write into the work folder beside `folder` and remove what is in it: it is not there, empty, or
    has our mark."""
    work = work_folder(folder)
    if not is_there(work):
        return True
    if not work.is_dir():
        return False
    names = {path.name for path in work.iterdir()}
    return not names or MARK in names or _is_older(folder, work, names)


def log_file(folder: Path) -> Path:
    """The log beside `folder`; nothing's, where a folder of that name is somebody else's."""
    return work_folder(folder) / LOG if is_our_work(folder) else Path(os.devnull)


def clear_work(folder: Path) -> bool:
    """Removes the work folder beside `folder`; of a link only the link. Whether there was one of ours."""
    work = work_folder(folder)
    if not is_there(work) or not is_our_work(folder):
        return False
    if is_link(work):
        clear(work)
        return True
    for path in (*_within(work), work / LOG, work / LOCK_FILE, work / MARK):
        clear(path)
    with suppress(OSError):  # somebody has put something there, which stays
        work.rmdir()
    return True


def clear_downloads(work: Path) -> None:
    """What is of no use any more once an installation is finished."""
    for name in FOLDERS:
        clear(work / name)


def _within(work: Path) -> Iterator[Path]:
    yield from (work / name for name in FOLDERS)
    yield from work.glob("check-*")


def _is_older(folder: Path, work: Path, names: set[str]) -> bool:
    """Version 0.1 set no mark: beside a folder of ours, only what it put there, with its lock. A lock alone is what is
    left of a run that was killed before it set the mark."""
    lock = work / LOCK_FILE
    if not lock.is_file() or lock.stat().st_size:
        return False
    ours = all(name in (LOCK_FILE, LOG, *FOLDERS) or name.startswith("check-") for name in names)
    return names == {LOCK_FILE} or (ours and any((folder / name).is_file() for name in OLDER))
