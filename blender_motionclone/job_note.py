"""blender.json in a job's folder: which scene the job belongs to, and where its shot starts. Without bpy."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..backend.job_folder.problem import Problem
from ..backend.job_folder.reading import read_json
from ..backend.job_folder.writing import is_link, write_atomically

NOTE = "blender.json"
MAX_BYTES = 100_000  # of the file
FIRST_FRAME, LAST_FRAME = -1_048_574, 1_048_574  # Blender's limits
SECONDS_TO_START = 60.0  # how long a worker may take to lock a new job, because it may have to start first
KINDS: dict[str, tuple[type, ...]] = {  # types of the values
    **dict.fromkeys(("scene", "key", "file", "camera"), (str,)),
    **{"frame_start": (int,), "dismissed": (bool,), "handed_over": (int, float)},
}


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A scene. key: identifies it in its jobs and is saved with it, "" if it has none yet; file: the .blend, "" if
    unsaved."""

    scene: str
    key: str
    file: str

    def owns(self, note: dict[str, Any]) -> bool:
        """Compares the key. A file that was closed without saving has lost its key; then the path and the scene's name
        count."""
        if self.key and note.get("key") == self.key:
            return True
        return bool(self.file) and note.get("scene") == self.scene and _same(note.get("file", ""), self.file)


def write_shot(folder: Path, scene_name: str, frame_start: int, camera: str = "") -> None:
    """Stores where the shot starts, because the request itself knows no scene. camera: its name, or "" for other
    sources."""
    _write(folder, {"scene": scene_name, "frame_start": frame_start, "camera": camera})


def read_shot(folder: Path, otherwise: int) -> tuple[int, str]:
    """(the scene frame on which the shot starts, its camera's name or ""); (otherwise, "") for jobs from outside of
    Blender."""
    try:
        note = _read(folder)
    except FileNotFoundError:
        return otherwise, ""
    except (OSError, ValueError):
        note = None
    start, camera = (note.get("frame_start"), note.get("camera", "")) if isinstance(note, dict) else (None, "")
    if type(start) is int and FIRST_FRAME <= start <= LAST_FRAME and isinstance(camera, str) and "\0" not in camera:
        return start, camera
    raise Problem("{folder} cannot be read.", "Remove the file to place the clip at the start frame.").about(
        folder=folder / NOTE
    )


def note_owner(folder: Path, owner: Owner, frame_start: int) -> None:
    """frame_start: where the shot starts, for jobs that were made outside of Blender."""
    here = {"scene": owner.scene, "key": owner.key, "file": owner.file, "dismissed": False}
    _change(folder, {"frame_start": frame_start} | read_note(folder) | here)


def note_handing_over(folder: Path) -> None:
    """Stores that a worker is about to get the job."""
    _change(folder, read_note(folder) | {"handed_over": time.time()})


def is_awaited(folder: Path, note: dict[str, Any]) -> bool:
    """Whether the job was submitted a moment ago and its worker has not written anything yet. The worker may still be
    starting, perhaps for another Blender."""
    now, since = time.time(), note.get("handed_over")
    if not isinstance(since, int | float) or not now - SECONDS_TO_START < since <= now:
        return False
    try:
        return (folder / "state.json").stat().st_mtime < since  # from an earlier run
    except OSError:
        return True


def dismiss(folder: Path) -> None:
    """Stores that the job must not be offered again."""
    _change(folder, read_note(folder) | {"dismissed": True})


def read_note(folder: Path) -> dict[str, Any]:
    """The stored values of the right types. Empty for a job from outside of Blender, or if the file cannot be read."""
    try:
        note = _read(folder)
    except (OSError, ValueError):
        return {}
    known = note.items() if isinstance(note, dict) else ()
    return {name: value for name, value in known if type(value) in KINDS.get(name, ())}


def _read(folder: Path) -> Any:
    """The file's content; None for a link. OSError, ValueError."""
    return None if is_link(folder / NOTE) else read_json(folder / NOTE, MAX_BYTES)


def _change(folder: Path, note: dict[str, Any]) -> None:
    """Writes the note of an existing job. Problem when it cannot be written."""
    try:
        _write(folder, note)
    except OSError as error:
        raise Problem(
            "The job folder {folder} cannot be written ({reason}).", "Free disk space, or allow writing there."
        ).about(folder=folder, reason=error.strerror) from None


def _write(folder: Path, note: dict[str, Any]) -> None:
    write_atomically(folder / NOTE, json.dumps(note, ensure_ascii=False) + "\n")


def _same(one: str, other: str) -> bool:
    return os.path.normcase(os.path.normpath(one)) == os.path.normcase(os.path.normpath(other))
