"""Video files and folders of pictures, as Blender reads them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import bpy

from ...backend.wire.reading import UnfitFile, check_regular
from .. import reach
from ..errors import UserError
from ..picture_size import picture_size
from ..results.movie_path import FOLDER_BYTES

MOST_PICTURE, MOST_SIDE = 500_000_000, 16384  # bytes and pixels


@dataclass(frozen=True)
class Media:
    """size: (H, W) in pixels; fps: of a video, None for a folder of pictures."""

    path: Path
    frames: int
    size: tuple[int, int]
    fps: float | None


_known: tuple[tuple, Media | UserError] | None = None  # the last that was looked at, and what told it from others


def frames_of_file(chosen: str) -> Media:
    """What the property Clip names. UserError says what is wrong with it. Opens the file unless it is the one that was
    opened last."""
    global _known
    if not chosen.strip():
        raise UserError("No clip is chosen.", "Choose a video file or a folder of pictures.")
    path = reach.named(chosen)
    if path is None:
        raise UserError(f"The clip {chosen!r} is no whole path.", "Save this file first, or choose the clip again.")
    key = _key(path)
    if _known is None or _known[0] != key:
        try:
            _known = key, _look_into(path)
        except UserError as error:
            _known = key, error
    if isinstance(found := _known[1], UserError):
        raise UserError(found.message, found.hint, found.repair)
    return found


def forget() -> None:
    """The next one is opened in any case: pictures in a folder may have changed without a trace in it."""
    global _known
    _known = None


def _key(path: Path) -> tuple:
    try:
        stat = path.stat()
    except OSError:
        return (path,)
    return path, stat.st_mtime_ns, stat.st_size


def _look_into(path: Path) -> Media:
    if len(os.fsencode(path)) >= FOLDER_BYTES:  # Blender would cut it off, and crash on what is left
        raise UserError(f"The path of {path} is too long for Blender.", "Copy the clip to a folder with a shorter one.")
    if path.is_dir():
        media = _folder(path)
    elif path.is_file():
        media = _video(path)
    else:
        raise UserError(f"There is no file or folder {path}.", "Choose another clip.")
    if media.frames < 2:
        raise UserError(f"{path} has only one frame; motion needs at least two.", "Choose a longer clip.")
    return media


def picture_files(folder: Path) -> list[Path]:
    """The folder's pictures in natural order (frame2 before frame10), without hidden ones."""
    named = (p for p in folder.iterdir() if p.suffix.lower() in bpy.path.extensions_image and p.name[0] != ".")
    files = [p for p in named if p.is_file()]  # Blender would wait for a pipe
    return sorted(files, key=lambda p: [(int(d), "") if d.isdigit() else (-1, d) for d in _parts(p.name)])


def check_picture(path: Path) -> None:
    """UserError for one so large that reading it would stop Blender for a minute and fill the memory."""
    try:
        check_regular(path, MOST_PICTURE)
        fits = max(picture_size(path) or (0,)) <= MOST_SIDE
    except UnfitFile:
        fits = False
    except OSError:  # Blender says what is wrong with it
        return
    if not fits:
        raise UserError(
            f"{path} is too large a picture: {MOST_SIDE} pixels a side and {MOST_PICTURE // 10**6} MB are the limit.",
            "Save it smaller.",
        )


def _parts(name: str) -> list[str]:
    return re.findall(r"[0-9]+|[^0-9]+", name)


def _video(path: Path) -> Media:
    if path.suffix.lower() in bpy.path.extensions_image:
        raise UserError(f"{path} is a single picture; motion needs at least two.", "Choose its folder, or a video.")
    try:
        clip = bpy.data.movieclips.load(str(path))
    except RuntimeError as error:
        raise UserError(f"{path} cannot be read: {str(error).strip()}", "Choose a video file.") from None
    try:
        width, height = clip.size
        media = Media(path, clip.frame_duration, (height, width), clip.fps)
    finally:
        bpy.data.movieclips.remove(clip)
    if not all(media.size) or not media.frames or not media.fps:
        raise UserError(f"Blender cannot read {path} as a video.", "Choose another file, or a folder of pictures.")
    return media


def _folder(path: Path) -> Media:
    files = picture_files(path)
    if not files:
        raise UserError(f"The folder {path} holds no pictures.", "Choose another folder, or a video file.")
    check_picture(files[0])
    image = bpy.data.images.load(str(files[0]))
    try:
        width, height = image.size
    finally:
        bpy.data.images.remove(image)
    if not width or not height:
        raise UserError(f"{files[0]} cannot be read as a picture.", "Render or copy it again.")
    return Media(path, len(files), (height, width), None)
