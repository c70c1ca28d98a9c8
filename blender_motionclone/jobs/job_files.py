"""What a job's folder may hold to be worked with, and how one is deleted. Without bpy.

A folder that came with a .blend is a stranger's: links and pipes in it may lead anywhere.
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
from ...backend.job_folder.reading import check_regular
from ...backend.job_folder.writing import is_link
from ..errors import UserError

NAME = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
MOST_NAME = 200  # bytes
MOST_ENTRIES, MOST_DEPTH = 100_000, 5  # of files and folders in a job's folder


def is_job_name(name: str) -> bool:
    """Whether it can be shown, and is the name of a folder within another on every system."""
    fits = 0 < len(name.encode("utf-8", "replace")) <= MOST_NAME
    return fits and name.isprintable() and name not in (".", "..") and not re.search(r'[/\\:*?"<>|]', name)


def is_job(folder: Path) -> bool:
    """Whether the folder holds a request, which is a plain file."""
    request = folder / "job.json"
    try:
        check_regular(request)
    except OSError:
        return False
    return not is_link(request)


def check_job(folder: Path) -> None:
    """UserError unless the folder holds a job in plain files and folders, which can be read and written without
    reaching what lies elsewhere."""
    if not is_job(folder):
        raise UserError(f"There is no job.json in {folder}.", "Choose a folder that MotionClone made.")
    for count, (path, found) in enumerate(_entries(folder)):
        if is_link(path) or not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            raise UserError(
                f"{path} is a link, a pipe or a device, and the job's folder may come from somebody else.",
                "Put the file itself there, or generate the clip anew.",
            )
        if count > MOST_ENTRIES or len(path.relative_to(folder).parts) > MOST_DEPTH:
            raise UserError(f"{folder} holds more than a job does.", "Choose a folder that MotionClone made.")


def delete_job(folder: Path) -> None:
    """UserError when it is in use or cannot be deleted.

    Only a folder that is named as MotionClone names them, and holds a job, goes: a .blend from elsewhere may name any.
    """
    if is_link(folder) or not NAME.fullmatch(folder.name) or not is_job(folder):
        raise UserError(
            f"{folder} was not made by the add-on, so it is not deleted.",
            "Delete it by hand, or remove the take without its files.",
        )
    if is_locked(folder):
        raise UserError(
            f"A worker is at the job in {folder}.", "Wait until it is done, or cancel it where it was started."
        )
    going = folder.with_name(f"{folder.name}.deleted")
    try:
        # Windows renames no folder in which a file is open: then nothing of the job is lost.
        os.rename(folder, going)
        _delete(going)
    except OSError as error:
        with suppress(OSError):
            os.rename(going, folder)
        name = str(error.filename or folder).replace(str(going), str(folder))
        raise UserError(
            f"{name} cannot be deleted ({error.strerror}).",
            "Close what uses it, or remove the take without its files.",
        ) from None


def _delete(folder: Path) -> None:
    """job.json is the last to go: without it nobody could tell that the rest is a job's, and try again. Clips are the
    first: one that is open keeps all the rest, also on a share that lets folders with open files be renamed."""
    for path in sorted(folder.iterdir(), key=lambda path: path.suffix != ".mp4"):
        if path.is_dir() and not is_link(path):
            shutil.rmtree(path)
        elif path.name != "job.json":
            path.unlink()
    shutil.rmtree(folder)


def _entries(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """All that it holds, without following links. UserError when a folder cannot be read."""
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
            raise UserError(f"{error.filename} cannot be read ({error.strerror}).", "Make it readable.") from None
