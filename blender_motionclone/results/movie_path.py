"""A result's path as a .blend stores it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import bpy

from ..errors import UserError

FOLDER_BYTES, NAME_BYTES = 767, 255  # of a strip's path; images take 1023 in all


def stored_path(movie: Path) -> str:
    """Relative to the saved .blend where the user prefers that, else absolute. UserError for one that is too long."""
    path = os.fspath(movie)
    if bpy.data.is_saved and bpy.context.preferences.filepaths.use_relative_paths:
        with suppress(ValueError):  # another drive than the .blend's
            path = bpy.path.relpath(path)
    folder, name = os.path.split(path)
    if len(os.fsencode(folder)) >= FOLDER_BYTES or len(os.fsencode(name)) > NAME_BYTES:
        raise UserError(
            f"The path of {movie} is too long for Blender.", "Set a jobs folder with a shorter path in the preferences."
        )
    return path
