"""Reads clips from video files and folders of frames, without holding more frames than needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..job_folder.pictures import MAX_PIXELS
from ..job_folder.problem import Problem, Sentence
from ..job_folder.reading import UnfitFile, open_regular
from . import ffmpeg, video
from .color import to_srgb
from .ffmpeg_process import Check, never_cancelled
from .in_betweening import in_between
from .pictures import over_gray, too_large
from .sequences import FrameFiles, frame_files
from .still import check_frame, is_single, read_frame

MAX_SIDE = 2048  # pixels: larger frames are scaled down on reading; models use far smaller ones
MAX_BYTES = 2 << 30  # of all frames of a clip

Reader = Callable[[Sequence[int], tuple[int, int]], Iterator[tuple[np.ndarray, bool]]]


@dataclass(frozen=True)
class Clip:
    """A clip in memory.

    frames: uint8 RGB [n, H, W, 3]. fps: of the video file, None for a folder. total: the number of frames in the
    source. notes: sentences for the user about what reading changed.
    """

    frames: np.ndarray
    fps: float | None
    total: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A clip on disk, before its frames are read.

    times: of each picture, in seconds for a video, in frames for a folder. total: the number of frames, including those
    missing in a folder. size: (H, W), upright, with square pixels. fps: the average frame rate; seconds: the duration
    up to the end of the last frame; both None for a folder. notes: sentences for the user. read: yields the pictures of
    ascending indices at a size (H, W), uint8 RGB, each with whether any pixel was transparent.
    """

    path: Path
    times: tuple[float, ...]
    total: int
    size: tuple[int, int]
    fps: float | None
    seconds: float | None
    notes: tuple[str, ...]
    read: Reader


def examine(path: str | Path, check: Check = never_cancelled) -> Source:
    """Examines a video file or a folder of frames without keeping its frames.

    check: as in `read_clip`. Raises Problem if it is no readable clip of at least two frames.
    """
    path = Path(path).expanduser()
    try:
        if path.is_dir():
            source = _folder(path, check)
        elif not path.exists():
            raise Problem("There is no file or folder {path}.", "Check the path and its spelling.").about(path=path)
        else:
            source = _video(path, check)
    except PermissionError:
        raise _not_allowed(path) from None
    except UnfitFile as error:
        raise Problem("{reason}.", "Give a video file, or a folder of frames.").about(reason=error) from None
    if len(source.times) < 2:
        raise Problem("{path} has only one frame; motion needs at least two.", "Give a longer clip.").about(path=path)
    return source


def read_clip(path: str | Path | Source, frames: int | None = None, check: Check = never_cancelled) -> Clip:
    """Reads a video file or a folder of frames: upright, in sRGB, transparent pixels over middle gray.

    path: may also be an examined clip. frames: the number of frames to read, evenly spaced in time, including the first
    and the last. If the clip has fewer, frames are interpolated, and a note says so. None reads every frame.
    check: called before each frame is read, and from another thread while ffmpeg runs. It may raise Cancelled.
    Raises Problem if the clip cannot be read completely.
    """
    source = path if isinstance(path, Source) else examine(path, check)
    picked = _pick(source.times, frames)
    size, notes = _reading_size(source)
    wanted, inverse = np.unique(picked, return_inverse=True)
    kept = _store(source.path, len(wanted), size)
    transparent = False
    try:
        for k, (picture, through) in enumerate(source.read(wanted.tolist(), size)):
            check()
            kept[k] = picture
            transparent |= through
    except PermissionError:
        raise _not_allowed(source.path) from None
    name = source.path.name
    if transparent:
        notes.append(Sentence("{name} is partly transparent; middle gray was put behind it.", name=name))
    if frames is not None and len(source.times) < frames:
        count = len(source.times)
        notes.append(
            Sentence(
                "{name} has {count} frames, but {frames} are needed; the missing ones were interpolated.",
                name=name,
                count=count,
                frames=frames,
            )
        )
        return Clip(in_between(kept, frames, source.times), source.fps, source.total, tuple(notes))
    kept = kept if len(inverse) == len(wanted) else kept[inverse]
    return Clip(kept, source.fps, source.total, tuple(notes))


def _video(path: Path, check: Check) -> Source:
    with open_regular(path) as file:
        if not file.read(1):
            raise Problem("{path} is an empty file.", "Copy or export the video again.").about(path=path)
    if is_single(path):
        raise Problem(
            "{path} is a single picture; motion needs at least two frames.", "Give its folder, or a video file."
        ).about(path=path)
    facts = video.probe(path, check)
    span = facts.times[-1] - facts.times[0]
    return Source(
        path=path,
        times=facts.times,
        total=len(facts.times),
        size=facts.size,
        fps=(len(facts.times) - 1) / span if span > 0 else None,
        seconds=facts.seconds,
        notes=facts.notes,
        read=lambda wanted, size: _video_frames(path, facts, wanted, size, check),
    )


def _video_frames(
    path: Path, facts: video.VideoInfo, wanted: Sequence[int], size: tuple[int, int], check: Check
) -> Iterator[tuple[np.ndarray, bool]]:
    choice = "" if len(wanted) == len(facts.times) else "select='" + "+".join(f"eq(n,{k})" for k in wanted) + "',"
    scale = f"scale={size[1]}:{size[0]}:flags=area+accurate_rnd+full_chroma_int{facts.scaling}"
    deep = facts.wide or facts.transfer != "sdr"
    filters = f"{facts.filters}{choice}{scale}"
    with closing(ffmpeg.frames(path, facts.decoder, facts.stream, filters, size, deep, check)) as decoded:
        for _ in wanted:
            rgba = next(decoded, None)
            if rgba is None:
                raise Problem(
                    "{path} is truncated or damaged: not all of its frames can be read.",
                    "Copy or export the video again.",
                ).about(path=path)
            yield over_gray(to_srgb(rgba, facts.transfer, facts.wide) if deep else rgba)


def _folder(folder: Path, check: Check) -> Source:
    found = frame_files(folder)
    sizes = {path: size for path in found.files if (size := check_frame(path))}
    for path, size in sizes.items():
        first = next(iter(sizes))
        if size[0] * size[1] > MAX_PIXELS:
            raise too_large(path, size[1], size[0])
        if size != sizes[first] and path.suffix.lower() == ".png":  # a JPG may be rotated by its EXIF data
            raise _differ(folder, first, sizes[first], path, size)
    picture, _ = read_frame(found.files[0], check)
    return Source(
        path=folder,
        times=tuple(map(float, found.numbers)),
        total=found.total,
        size=picture.shape[:2],
        fps=None,
        seconds=None,
        notes=found.notes,
        read=lambda wanted, size: _folder_frames(folder, found, picture.shape[:2], wanted, size, check),
    )


def _folder_frames(
    folder: Path, found: FrameFiles, own: tuple[int, int], wanted: Sequence[int], size: tuple[int, int], check: Check
) -> Iterator[tuple[np.ndarray, bool]]:
    for k in wanted:
        picture, through = read_frame(found.files[k], check)
        if picture.shape[:2] != own:
            raise _differ(folder, found.files[0], own, found.files[k], picture.shape[:2])
        if own != size:
            picture = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)
        yield picture, through


def _pick(times: Sequence[float], frames: int | None) -> list[int]:
    """Returns the indices of the frames nearest to `frames` evenly spaced times; all indices if there are fewer."""
    if frames is None or frames > len(times):
        return list(range(len(times)))
    even = np.linspace(times[0], times[-1], frames)
    # In a gap of a variable frame rate, one frame is nearest to several times.
    return [int(np.abs(np.asarray(times) - t).argmin()) for t in even]


def _reading_size(source: Source) -> tuple[tuple[int, int], list[str]]:
    """Returns the size (H, W) at which frames are read, and the notes, with one more if that is not their own size."""
    (height, width), name = source.size, source.path.name
    scale = MAX_SIDE / max(height, width)
    if scale >= 1:
        return source.size, [*source.notes]
    smaller = max(1, round(height * scale)), max(1, round(width * scale))
    return smaller, [
        Sentence(
            "{name} is {width} x {height}; it was read at {read_width} x {read_height}.",
            name=name,
            width=width,
            height=height,
            read_width=smaller[1],
            read_height=smaller[0],
        ),
        *source.notes,
    ]


def _store(path: Path, count: int, size: tuple[int, int]) -> np.ndarray:
    if count * size[0] * size[1] * 3 > MAX_BYTES:
        raise Problem(
            "{path} has {count} frames of {width} x {height}, too many for the memory.",
            "Give a shorter or smaller clip.",
        ).about(path=path, count=count, width=size[1], height=size[0])
    return np.empty((count, *size, 3), np.uint8)


def _not_allowed(path: Path) -> Problem:
    return Problem(
        "There is no permission to read {path}.", "Change its permissions, or copy it to another folder."
    ).about(path=path)


def _differ(folder: Path, first: Path, one: tuple[int, int], second: Path, other: tuple[int, int]) -> Problem:
    return Problem(
        "The frames in {folder} differ in size: {first} is {width} x {height}, "
        "{second} is {other_width} x {other_height}.",
        "Keep only one clip's frames in the folder.",
    ).about(
        folder=folder,
        first=first.name,
        width=one[1],
        height=one[0],
        second=second.name,
        other_width=other[1],
        other_height=other[0],
    )
