"""What placing a result needs of its job folder. Without bpy."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

from ...backend.job_folder.request import JobRequest, RequestError, read_request
from ...backend.job_folder.results import movie_of
from ..capture.job_folder import read_place
from ..errors import UserError
from ..wrapping import shown
from .movie_file import is_whole_mp4

NAME_BYTES = 63  # Blender keeps no more of a strip's name


@dataclass(frozen=True, kw_only=True)
class FinishedJob:
    """movie: `frames` frames, the first of which belongs on the scene's `frame_start`; camera: its name, or ""."""

    id: str
    movie: Path
    name: str
    frame_start: int
    frames: int
    camera: str = ""

    @property
    def shot(self) -> str:
        """The same for takes that may replace each other."""
        return f"{self.frame_start}+{self.frames} {self.camera}".strip()


def read_finished_job(folder: Path, frame_start: int) -> FinishedJob:
    """frame_start: where jobs lie that were not captured in Blender. UserError says what is missing."""
    if not folder.is_dir():
        raise UserError(f"There is no job folder {folder}.", "Choose another job, or generate the clip again.")
    try:
        request = read_request(folder)
    except RequestError as error:
        raise UserError(str(error), "Choose a folder that MotionClone made.") from None
    start, camera = read_place(folder, frame_start)
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
        raise UserError(
            f"The job {folder.name} has no result.mp4.", "Wait until it is done, or generate it again."
        ) from None
    except OSError as error:
        raise UserError(f"{movie} cannot be read ({error.strerror}).", "Make it readable and try again.") from None
    if not whole:
        raise UserError(f"{movie} is cut short or no movie.", "Run the job again.")
    return movie


def strip_name(request: JobRequest) -> str:
    """ "a red ball on green ground (seed 3)": takes are told apart by what was asked for."""
    seed = f" (seed {request.seed})"
    room = NAME_BYTES - len(seed)
    short = textwrap.shorten(shown(request.prompt), room, placeholder="...")
    return short.encode()[:room].decode(errors="ignore").strip() + seed
