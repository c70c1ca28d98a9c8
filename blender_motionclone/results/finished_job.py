"""What an import needs of a job folder."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

from ...backend.wire.request import JobRequest, RequestError, read_request
from ..capture.job_folder import read_frame_start
from ..errors import UserError

NAME_BYTES = 63  # Blender keeps no more of a strip's name


@dataclass(frozen=True, kw_only=True)
class FinishedJob:
    """movie: `frames` frames, the first of which belongs on the scene's `frame_start`."""

    movie: Path
    name: str
    frame_start: int
    frames: int


def read_finished_job(folder: Path, frame_start: int) -> FinishedJob:
    """frame_start: where jobs lie that were not captured in Blender. UserError says what is missing."""
    if not folder.is_dir():
        raise UserError(f"There is no job folder {folder}.", "Choose another job, or generate the clip again.")
    try:
        request = read_request(folder)
    except RequestError as error:
        raise UserError(str(error), "Choose a folder that MotionClone made.") from None
    movie = folder / "result.mp4"
    if not movie.is_file():
        raise UserError(f"The job {folder.name} has no result.mp4.", "Wait until it is done, or generate it again.")
    return FinishedJob(
        movie=movie,
        name=strip_name(request),
        frame_start=read_frame_start(folder, frame_start),
        frames=request.shot.frames,
    )


def strip_name(request: JobRequest) -> str:
    """ "a red ball on green ground (seed 3)": takes are told apart by what was asked for."""
    seed = f" (seed {request.seed})"
    room = NAME_BYTES - len(seed)
    short = textwrap.shorten(request.prompt, room, placeholder="...")
    return short.encode()[:room].decode(errors="ignore").strip() + seed
