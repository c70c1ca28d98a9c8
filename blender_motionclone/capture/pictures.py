"""Pictures of the clip's first frame. They guide models that have a matching control."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import bpy

from ...backend.job_folder.problem import Problem
from ...backend.job_folder.reading import UnfitFile, check_regular
from .. import reach
from ..picture_files import picture_size

# Folder in the job -> the control that the model needs, and the property's label in the panel.
KINDS = {"image": ("sparse_rgb", "First Picture"), "sketch": ("sparse_scribble", "First Sketch")}
SUFFIXES = (".png", ".jpg", ".jpeg")  # formats that the backend reads
MAX_PICTURE, MAX_SIDE = 500_000_000, 16384  # in bytes and pixels


def chosen_pictures(wanted: bpy.types.PropertyGroup, model: dict[str, Any]) -> dict[str, Path]:
    """Chosen files by kind. Problem when the model cannot use one, or when it is not a picture."""
    chosen = {}
    for kind, (control, label) in KINDS.items():
        if not (text := getattr(wanted, f"{kind}_file").strip()):
            continue
        path = reach.named(text)
        if control not in model.get("controls", ()):
            raise Problem(
                "The model {entry} does not support {kind}: its entry names no {key}.",
                "Clear {label}, or choose another model.",
            ).about(entry=repr(model["name"]), kind=kind, key=control, label=label)
        if path is None or not path.is_file():
            raise Problem("{label}: the file {path} does not exist.", "Choose another file, or clear the field.").about(
                label=label, path=path or text
            )
        if path.suffix.lower() not in SUFFIXES:
            raise Problem("{label}: {path} is not a PNG or JPG picture.", "Save it as PNG or JPG first.").about(
                label=label, path=path.name
            )
        check_picture(path)
        chosen[kind] = path
    return chosen


def write_pictures(pictures: dict[str, Path], folder: Path) -> None:
    """Copies each picture into the job's folder as frame 0 of its kind."""
    for kind, path in pictures.items():
        (folder / kind).mkdir()
        shutil.copyfile(path, folder / kind / f"0000{path.suffix.lower()}")


def check_picture(path: Path) -> None:
    """Problem when the picture is so large that reading it would block Blender for a minute and fill the memory."""
    try:
        check_regular(path, MAX_PICTURE)
        fits = max(picture_size(path) or (0,)) <= MAX_SIDE
    except UnfitFile:
        fits = False
    except OSError:  # Blender reports what is wrong with it
        return
    if not fits:
        raise Problem(
            "The picture {path} is too large. The limit is {most_side} pixels per side and {most_picture} MB.",
            "Save a smaller version.",
        ).about(path=path, most_side=MAX_SIDE, most_picture=MAX_PICTURE // 10**6)
