"""A new job folder: one folder is one job that anyone can run again by hand. Without bpy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...backend.wire.folders import new_job_name
from ..errors import UserError

PLACE = "blender.json"


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
    (folder / PLACE).write_text(text + "\n", encoding="utf-8")


def read_place(folder: Path, otherwise: int) -> tuple[int, str]:
    """(scene frame the shot starts at, its camera's name or ""); (otherwise, "") for jobs not made in Blender."""
    try:
        place: Any = json.loads((folder / PLACE).read_text(encoding="utf-8"))
        return int(place["frame_start"]), str(place.get("camera", ""))
    except FileNotFoundError:
        return otherwise, ""
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{folder / PLACE} cannot be read.", "Remove it to place the clip at the start frame."
        ) from None
