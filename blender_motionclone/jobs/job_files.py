"""Deleting a job's folder. Without bpy."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from ...backend.wire.folder_lock import is_locked
from ..errors import UserError

NAME = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")


def delete_job(folder: Path) -> None:
    """UserError when it is in use or cannot be deleted.

    Only a folder that is named as MotionClone names them, and holds a job, goes: a .blend from elsewhere may name any.
    """
    if folder.is_symlink() or not NAME.fullmatch(folder.name) or not (folder / "job.json").is_file():
        raise UserError(
            f"{folder} was not made by the add-on, so it is not deleted.",
            "Delete it by hand, or remove the take without its files.",
        )
    if is_locked(folder):
        raise UserError(
            f"A worker is at the job in {folder}.", "Wait until it is done, or cancel it where it was started."
        )
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise UserError(
            f"{error.filename or folder} cannot be deleted ({error.strerror}).",
            "Close what uses it, or remove the take without its files.",
        ) from None
