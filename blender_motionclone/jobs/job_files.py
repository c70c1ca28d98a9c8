"""Checks what a job's folder contains before it is used, and deletes jobs. Without bpy.

A folder that came with a .blend may be a stranger's: its links and pipes can lead anywhere.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ...backend.job_folder.lock import is_locked
from ...backend.job_folder.problem import Problem
from ...backend.job_folder.reading import check_regular
from ...backend.job_folder.writing import is_link

NAME = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
MAX_NAME = 200  # in bytes
MAX_ENTRIES, MAX_DEPTH = 100_000, 5  # files and folders in a job's folder


def is_job_name(name: str) -> bool:
    """Whether it can be shown, and is a valid folder name on every system."""
    fits = 0 < len(name.encode("utf-8", "replace")) <= MAX_NAME
    return fits and name.isprintable() and name not in (".", "..") and not re.search(r'[/\\:*?"<>|]', name)


def is_job(folder: Path) -> bool:
    """Whether the folder contains a request that is a regular file."""
    request = folder / "job.json"
    try:
        check_regular(request)
    except OSError:
        return False
    return not is_link(request)


def check_job(folder: Path) -> None:
    """Problem unless the folder contains a job and only regular files and folders, so that using it touches nothing
    outside of it."""
    if not is_job(folder):
        raise Problem("There is no job.json in {folder}.", "Choose a folder that was made by MotionClone.").about(
            folder=folder
        )
    for count, (path, found) in enumerate(_entries(folder)):
        if is_link(path) or not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            raise Problem(
                "{path} is a link, a pipe or a device. It is not read, because the job's folder may come from "
                "somebody else.",
                "Replace it with the file itself, or generate the clip again.",
            ).about(path=path)
        if count > MAX_ENTRIES or len(path.relative_to(folder).parts) > MAX_DEPTH:
            raise Problem(
                "{folder} contains more files than a job.", "Choose a folder that was made by MotionClone."
            ).about(folder=folder)


def delete_job(folder: Path) -> None:
    """Problem when the job is in use or cannot be deleted.

    Only deletes a folder that is named like a job and contains one, because a .blend from elsewhere can name any
    folder.
    """
    if is_link(folder) or not NAME.fullmatch(folder.name) or not is_job(folder):
        raise Problem(
            "{folder} was not made by MotionClone, so it is not deleted.",
            "Delete it manually, or remove the take without its files.",
        ).about(folder=folder)
    if is_locked(folder):
        raise Problem(
            "A worker is running the job in {folder}.", "Wait until it has finished, or cancel it where it was started."
        ).about(folder=folder)
    going = folder.with_name(f"{folder.name}.deleted")
    try:
        # Windows does not rename a folder with open files, so nothing of the job is lost.
        os.rename(folder, going)
        _delete(going)
    except OSError as error:
        with suppress(OSError):
            os.rename(going, folder)
        name = str(error.filename or folder).replace(str(going), str(folder))
        raise Problem(
            "{name} cannot be deleted ({reason}).",
            "Close the program that uses it, or remove the take without its files.",
        ).about(name=name, reason=error.strerror) from None


def _delete(folder: Path) -> None:
    """Deletes job.json last, because without it nobody could recognize the rest and try again. Deletes clips first: an
    open one then keeps all the rest, also on a network share that renames folders with open files."""
    for path in sorted(folder.iterdir(), key=lambda path: path.suffix != ".mp4"):
        if path.is_dir() and not is_link(path):
            shutil.rmtree(path)
        elif path.name != "job.json":
            path.unlink()
    shutil.rmtree(folder)


def _entries(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """All files and folders in it, without following links. Problem when a folder cannot be read."""
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    path, found = Path(entry.path), os.lstat(entry.path)
                    yield path, found
                    if stat.S_ISDIR(found.st_mode) and not is_link(path):
                        waiting.append(path)
        except OSError as error:
            raise Problem("{path} cannot be read ({reason}).", "Allow reading it.").about(
                path=error.filename, reason=error.strerror
            ) from None
