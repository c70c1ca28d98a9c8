"""What placing a result needs from its job folder. Without bpy."""

from __future__ import annotations

import struct
import textwrap
from dataclasses import dataclass
from pathlib import Path

from ...backend.job_folder.problem import Problem
from ...backend.job_folder.reading import open_regular
from ...backend.job_folder.request import JobRequest, RequestError, read_request
from ...backend.job_folder.results import movie_of
from ..job_note import read_shot
from ..wrapping import shown

NAME_BYTES = 63  # Blender's limit for a strip's name
MAX_BOXES = 10_000  # a movie has only a few


@dataclass(frozen=True, kw_only=True)
class FinishedJob:
    """movie: has `frames` frames, the first of which belongs on the scene's `frame_start`; camera: its name, or ""."""

    id: str
    movie: Path
    name: str
    frame_start: int
    frames: int
    camera: str = ""

    @property
    def shot(self) -> str:
        """Equal for takes that can replace each other."""
        return f"{self.frame_start}+{self.frames} {self.camera}".strip()


def read_finished_job(folder: Path, frame_start: int) -> FinishedJob:
    """frame_start: for jobs that were not captured in Blender. Problem says what is missing."""
    if not folder.is_dir():
        raise Problem("There is no job folder {folder}.", "Choose another job, or generate the clip again.").about(
            folder=folder
        )
    try:
        request = read_request(folder)
    except RequestError as error:
        raise Problem(error.text, "Choose a folder that was made by MotionClone.") from None
    start, camera = read_shot(folder, frame_start)
    return FinishedJob(
        id=folder.name,
        movie=_movie(folder),
        name=strip_name(request),
        frame_start=start,
        frames=request.shot.frames,
        camera=camera,
    )


def _movie(folder: Path) -> Path:
    movie = movie_of(folder)
    try:
        whole = is_whole_mp4(movie)
    except FileNotFoundError:
        raise Problem("The job {job} has no result.mp4.", "Wait until it has finished, or generate it again.").about(
            job=folder.name
        ) from None
    except OSError as error:
        raise Problem("{path} cannot be read ({reason}).", "Allow reading it, then try again.").about(
            path=movie, reason=error.strerror
        ) from None
    if not whole:
        raise Problem("{movie} is truncated or not a movie.", "Run the job again.").about(movie=movie)
    return movie


def strip_name(request: JobRequest) -> str:
    """For example "a red ball on green ground (seed 3)", so that takes differ by their prompt."""
    seed = f" (seed {request.seed})"
    room = NAME_BYTES - len(seed)
    short = textwrap.shorten(shown(request.prompt), room, placeholder="...")
    return short.encode()[:room].decode(errors="ignore").strip() + seed


def is_whole_mp4(path: Path) -> bool:
    """Whether the MP4 file consists of complete boxes, including index and pictures. Blender opens a truncated one and
    shows its last frames black or frozen. OSError: it cannot be read."""
    with open_regular(path) as file:
        size, position, kinds = file.seek(0, 2), 0, set()
        for _ in range(MAX_BOXES):
            if position >= size:
                break
            file.seek(position)
            length, kind = _box(file.read(16), size - position)
            if length < 8 or position + length > size:
                return False
            kinds.add(kind)
            position += length
    return position >= size and {b"moov", b"mdat"} <= kinds


def _box(head: bytes, rest: int) -> tuple[int, bytes]:
    """(length, kind) of the box with that header; (0, b"") if there is none. Length 0 means "to the end"."""
    if len(head) < 8:
        return 0, b""
    length, kind = struct.unpack(">I4s", head[:8])
    if length == 1 and len(head) == 16:
        length = struct.unpack(">Q", head[8:])[0]
    return length or rest, kind
