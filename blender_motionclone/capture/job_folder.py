"""A new job folder: one folder is one job that anyone can run again by hand. Without bpy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...backend.job_folder.folders import new_job_name
from ...backend.job_folder.reading import read_json
from ...backend.job_folder.writing import is_link, write_atomically
from ..errors import UserError

PLACE = "blender.json"
MOST_BYTES = 100_000  # of it
FIRST_FRAME, LAST_FRAME = -1_048_574, 1_048_574  # that Blender knows


@contextmanager
def new_job_folder(jobs: Path) -> Iterator[Path]:
    """Makes a folder in `jobs`; takes it away again when the block fails."""
    folder = jobs / new_job_name()
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UserError(
            f"The jobs folder {jobs} cannot be written to ({error.strerror}).",
            "Choose another in Preferences > Add-ons > MotionClone.",
        ) from None
    try:
        yield folder
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise UserError(
            f"The job folder {folder} could not be written ({error.strerror or error}).",
            "Make room on the disk, or choose another jobs folder in Preferences > Add-ons > MotionClone.",
        ) from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def write_place(folder: Path, scene_name: str, frame_start: int, camera: str = "") -> None:
    """Keeps where the shot lies: the request itself knows no scene. camera: its name, or "" for other sources."""
    text = json.dumps({"scene": scene_name, "frame_start": frame_start, "camera": camera}, ensure_ascii=False)
    write_atomically(folder / PLACE, text + "\n")


def read_place(folder: Path, otherwise: int) -> tuple[int, str]:
    """(scene frame the shot starts at, its camera's name or ""); (otherwise, "") for jobs not made in Blender."""
    try:
        place: Any = None if is_link(folder / PLACE) else read_json(folder / PLACE, MOST_BYTES)
    except FileNotFoundError:
        return otherwise, ""
    except (OSError, ValueError):
        place = None
    start, camera = (place.get("frame_start"), place.get("camera", "")) if isinstance(place, dict) else (None, "")
    if type(start) is int and FIRST_FRAME <= start <= LAST_FRAME and isinstance(camera, str) and "\0" not in camera:
        return start, camera
    raise UserError(f"{folder / PLACE} cannot be read.", "Remove it to place the clip at the start frame.")
