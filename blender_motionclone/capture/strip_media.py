"""Are the files there that a strip shows? Blender draws what is missing black or magenta, or crashes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import bpy

from ..errors import UserError
from .strip_names import all_strips_of


def check_media(strip: bpy.types.Strip, first: int, last: int) -> None:
    """UserError when a file is missing or empty that the strip needs at frames first..last. No file is opened."""
    needed = list(dict.fromkeys(_files(strip, range(first, last + 1), set())))
    missing = [path for path in needed if not _is_there(path)]
    if not missing:
        return
    hint = "Bring them back, or correct the strip's path (Strip > Source)."
    if len(needed) == 1:
        raise UserError(f"The file that the strip {strip.name!r} shows cannot be found or read: {missing[0]}.", hint)
    raise UserError(
        f"{len(missing)} of the {len(needed)} files that the strip {strip.name!r} shows cannot be found or read, first "
        f"{missing[0]}.",
        hint,
    )


def _files(strip: bpy.types.Strip, frames: range | None, seen: set[str]) -> Iterator[Path]:
    """frames: those that matter, None for all."""
    if strip.type == "MOVIE":
        yield _path(strip.filepath, strip)
    elif strip.type == "IMAGE":
        elements = strip.elements if frames is None else filter(None, map(strip.strip_elem_from_frame, frames))
        for name in dict.fromkeys(element.filename for element in elements):
            yield _path(os.path.join(strip.directory, name), strip)
    elif strip.type == "SCENE" and strip.scene_input == "SEQUENCER" and strip.scene:
        yield from _files_of_scene(strip.scene, seen)


def _files_of_scene(scene: bpy.types.Scene, seen: set[str]) -> Iterator[Path]:
    """seen: scenes that were looked at: their strips may show each other."""
    if scene.name_full in seen or not scene.sequence_editor:
        return
    seen.add(scene.name_full)
    for strip in all_strips_of(scene.sequence_editor):
        if not strip.mute:
            yield from _files(strip, None, seen)


def _path(text: str, strip: bpy.types.Strip) -> Path:
    return Path(bpy.path.abspath(text, library=strip.id_data.library))


def _is_there(path: Path) -> bool:
    """A regular file with something in it: a pipe would be waited for."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size > 0 and os.access(path, os.R_OK)
