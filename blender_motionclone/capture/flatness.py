"""Is there anything to see in a reference? One of a single color holds no motion: something went wrong before it."""

from __future__ import annotations

from pathlib import Path

from ..errors import UserError
from .read_back import read_picture

SAME = 2 / 255  # what rounding makes of one color


def check_pictures(folder: Path, title: str) -> None:
    """UserError when each picture in the folder is of one color. title: what they show."""
    if not all(_is_flat(path) for path in sorted(folder.iterdir())):
        return
    raise UserError(
        f"Every picture of {title} is of a single color, so there is no motion to clone.",
        "Look at it in Blender: is something before the camera and shown in renders, and are the files there?",
    )


def _is_flat(path: Path) -> bool:
    picture = read_picture(path)
    return bool((picture.max((0, 1)) - picture.min((0, 1))).max() <= SAME)
