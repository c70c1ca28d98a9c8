"""Small pictures of takes and of the running job's preview. Timers load them, so that drawing never reads a file."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import bpy
import bpy.utils.previews
import numpy as np

from .picture_files import PngError, png_size, read_png, reads_quickly
from .session import session

MAX_FRAMES = 20_000  # of a result
SIDE = 256  # pixels of the longer side
PREVIEW = "preview"


@dataclass
class _Now:
    """The loaded pictures. shown: each one's file and modification time; frames: of the preview, which is played; turn:
    the current frame."""

    pictures: bpy.utils.previews.ImagePreviewCollection | None = None
    shown: dict[str, tuple[Path, int]] = field(default_factory=dict)
    frames: list[np.ndarray] = field(default_factory=list)
    turn: int = 0


_now = session.part(_Now)


def icon(name: str) -> int:
    """The icon of a take (by its job's id) or of PREVIEW, for `template_icon`; 0 if there is none.

    Blender (at least 4.3) reads a picture once for each size, and frees it once for each size when it is removed
    meanwhile. So a picture is never drawn as a label's icon as well.
    """
    return _now.pictures[name].icon_id if _now.pictures is not None and name in _now.shown else 0


def load_take(job: str, folder: Path) -> bool:
    """Loads the middle frame of a take's result. Returns whether there is something new to show."""
    frame = _middle_frame(folder / "result")
    if not frame or not _is_new(job, frame) or not reads_quickly(frame) or _now.pictures is None:
        return False
    if job in _now.pictures:  # of the take before it was run again, or of another file's take
        del _now.pictures[job]
    _now.pictures.load(job, str(frame), "IMAGE")  # Blender reads it when it is drawn
    return True


def load_preview(strip: Path, folder: Path) -> bool:
    """Loads a preview, which is frames of the job's clip side by side. Returns whether there is something new to
    show."""
    if not _is_new(PREVIEW, strip):
        return False
    try:
        height, width = png_size(folder / "reference" / "0000.png")
        _now.frames[:] = split(read_png(strip), width / height)
    except (OSError, PngError, ZeroDivisionError):
        return False
    return play()


def play() -> bool:
    """Shows the preview's next frame. Returns whether there are others."""
    if not _now.frames:
        return False
    _now.turn = (_now.turn + 1) % len(_now.frames)
    _show(PREVIEW, _now.frames[_now.turn])
    return len(_now.frames) > 1


def forget_preview() -> None:
    """The job has ended."""
    _now.frames.clear()
    if _now.shown.pop(PREVIEW, None) and _now.pictures is not None and PREVIEW in _now.pictures:
        del _now.pictures[PREVIEW]


def split(strip: np.ndarray, aspect: float) -> list[np.ndarray]:
    """The frames of a strip, each of about that aspect. strip: uint8 [H, W, 3] -> uint8 [H, W / n, 3] each."""
    height, width, _ = strip.shape
    count = min(width, max(1, round(width / (height * aspect))))
    return np.array_split(strip, count, axis=1)


def _middle_frame(folder: Path) -> Path | None:
    """The middle picture in a take's folder; None if there is none."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in islice(entries, MAX_FRAMES) if entry.name.endswith(".png"))
    except OSError:
        return None
    return folder / names[len(names) // 2] if names else None


def _is_new(name: str, path: Path) -> bool:
    """Remembers the file. Returns whether it is new or has changed."""
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return False
    if _now.shown.get(name) == (path, changed) or _now.pictures is None:
        return False
    _now.shown[name] = (path, changed)
    return True


def _show(name: str, picture: np.ndarray) -> None:
    """picture: uint8 [H, W, 3]. Blender expects float RGBA with the bottom row first."""
    assert _now.pictures is not None
    step = -(-max(picture.shape[:2]) // SIDE)
    small = picture[::-step, ::step]
    entry = _now.pictures[name] if name in _now.pictures else _now.pictures.new(name)
    pixels = np.ones((*small.shape[:2], 4), np.float32)
    pixels[..., :3] = small / np.float32(255)
    entry.image_size = small.shape[1], small.shape[0]
    entry.image_pixels_float.foreach_set(pixels.ravel())


def register() -> None:
    _now.pictures = bpy.utils.previews.new()


def unregister() -> None:
    _now.shown.clear()
    _now.frames.clear()
    if _now.pictures is not None:
        bpy.utils.previews.remove(_now.pictures)
    _now.pictures = None
