"""Clips from video files and folders of frames, without ever holding more than is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..errors import JobError
from ..wire.reading import UnfitFile, check_regular
from . import ffmpeg
from .between import in_between
from .pictures import SUFFIXES, over_grey, picture_files, read_picture

LONGEST_SIDE = 2048  # larger frames are area-averaged down to it while reading; models work far below
MOST_BYTES = 2 << 30  # of frames kept at once


@dataclass(frozen=True)
class Clip:
    """frames: uint8 RGB [n, H, W, 3]; fps: of the video file, None for a folder; total: frames that the source holds.

    notes: sentences for the user about what was changed on reading."""

    frames: np.ndarray
    fps: float | None
    total: int
    notes: tuple[str, ...] = ()


def read_clip(path: str | Path, frames: int | None = None, each: Callable[[], None] = lambda: None) -> Clip:
    """A video file or a folder of PNG or JPG frames, upright, over mid-grey where transparent.

    frames: this many, evenly over the clip's time with its first and last frame; a shorter clip is in-betweened, and a
    note says so. None: every frame as it is. each: called before each frame is read, and may raise. JobError names the
    file, what is wrong with it and what to do.
    """
    path = Path(path).expanduser()
    try:
        if path.is_dir():
            return _read_folder(path, frames, each)
        if not path.exists():
            raise JobError(f"There is no file or folder {path}.", "Check the path and its spelling.")
        return _read_video(path, frames, each)
    except UnfitFile as error:
        raise JobError(f"{error}.", "Give a video file, or a folder of frames.") from None
    except PermissionError:
        raise JobError(
            f"{path} may not be read.", "Give yourself permission to read it, or copy it elsewhere."
        ) from None


def _read_video(path: Path, frames: int | None, each: Callable[[], None]) -> Clip:
    if path.suffix.lower() in SUFFIXES:
        raise JobError(
            f"{path} is a single picture; motion needs at least two frames.", "Give its folder, or a video file."
        )
    check_regular(path)
    with path.open("rb") as file:
        if not file.read(1):
            raise JobError(f"{path} is an empty file.", "Copy or export the video again.")
    facts = ffmpeg.examine(path)
    total = len(facts.times)
    picked = _pick(path, facts.times, frames)
    size, notes = _reading_size(path, facts.size)
    if facts.damaged:
        notes.append(f"{path.name} is damaged in places; what could be decoded was used.")
    wanted, places = np.unique(picked, return_inverse=True)
    kept = _store(path, len(wanted), size)
    transparent = False
    for k, rgba in enumerate(ffmpeg.decode(path, facts, size, wanted)):
        each()
        kept[k], through = over_grey(rgba)
        transparent |= through
    if len(places) > len(wanted):
        kept = kept[places]
    span = facts.times[-1] - facts.times[0]
    return _finished(path, kept, (total - 1) / span if span > 0 else None, total, frames, notes, transparent)


def _read_folder(folder: Path, frames: int | None, each: Callable[[], None]) -> Clip:
    files = picture_files(folder)
    if not files:
        raise JobError(
            f"The folder {folder} holds no PNG or JPG frames.",
            "Render the frames as PNG into it, or give another folder.",
        )
    picked = _pick(folder, [float(k) for k in range(len(files))], frames)
    first, _ = read_picture(files[picked[0]])
    size, notes = _reading_size(folder, first.shape[:2])
    kept = _store(folder, len(picked), size)
    transparent = False
    for k, index in enumerate(picked):
        each()
        picture, through = read_picture(files[index])
        if picture.shape != first.shape:
            raise JobError(
                f"The frames in {folder} differ in size: {files[picked[0]].name} is {_dimensions(first)}, "
                f"{files[index].name} is {_dimensions(picture)}.",
                "Keep only one clip's frames in the folder.",
            )
        kept[k] = (
            picture if picture.shape[:2] == size else cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)
        )
        transparent |= through
    return _finished(folder, kept, None, len(files), frames, notes, transparent)


def _pick(path: Path, times: tuple[float, ...] | list[float], frames: int | None) -> list[int]:
    """Indices of the source frames nearest to `frames` even times; all of them when there are no more than that."""
    if len(times) < 2:
        raise JobError(f"{path} has only one frame; motion needs at least two.", "Give a longer clip.")
    if frames is None or frames >= len(times):
        return list(range(len(times)))
    even = np.linspace(times[0], times[-1], frames)
    # Where a variable frame rate leaves a gap, the frame before or after it stands for several times.
    return [int(np.abs(np.asarray(times) - t).argmin()) for t in even]


def _reading_size(path: Path, size: tuple[int, int]) -> tuple[tuple[int, int], list[str]]:
    """The size (H, W) at which frames are kept, and the note that says so when it is not their own."""
    scale = LONGEST_SIDE / max(size)
    if scale >= 1:
        return size, []
    smaller = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    return smaller, [f"{path.name} is {size[1]} x {size[0]}; it was read at {smaller[1]} x {smaller[0]}."]


def _store(path: Path, count: int, size: tuple[int, int]) -> np.ndarray:
    if count * size[0] * size[1] * 3 > MOST_BYTES:
        raise JobError(
            f"{path} has {count} frames of {size[1]} x {size[0]}, too many to hold in memory.",
            "Give a shorter or smaller clip.",
        )
    return np.empty((count, *size, 3), np.uint8)


def _finished(
    path: Path, kept: np.ndarray, fps: float | None, total: int, frames: int | None, notes: list[str], transparent: bool
) -> Clip:
    if transparent:
        notes.append(f"{path.name} is transparent in places; mid-grey was laid behind it.")
    if frames is not None and len(kept) < frames:
        notes.append(f"{path.name} has {total} frames where {frames} are needed; the missing ones were in-betweened.")
        kept = in_between(kept, frames)
    return Clip(kept, fps, total, tuple(notes))


def _dimensions(picture: np.ndarray) -> str:
    return f"{picture.shape[1]} x {picture.shape[0]}"
