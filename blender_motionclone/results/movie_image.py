"""A clip as a movie image, which textures, backgrounds and the compositor show frame by frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from ..errors import UserError
from .colours import set_space
from .finished_job import FinishedJob
from .marks import job_shown, mark, same_take, shows_shot
from .movie_path import stored_path
from .stretching import follow_stretched_time


def movie_image(job: FinishedJob, space: str = "sRGB") -> bpy.types.Image:
    """The clip's image in that colour space: the one there is already, read again, or a new one."""
    path = stored_path(job.movie)
    image = next((image for image in bpy.data.images if _is_of(image, job, space)), None)
    if image is None:
        image = _load(job, path)
        image.name = job.name
        set_space(image.colorspace_settings, space)
    else:
        image.filepath = path
        image.reload()
    if (found := image.frame_duration) != job.frames:
        if not image.users:
            bpy.data.images.remove(image)
        raise UserError(f"{job.movie} has {found} frames; the shot has {job.frames}.", "Generate the clip again.")
    mark(image, job)
    return image


def _is_of(image: bpy.types.Image, job: FinishedJob, space: str) -> bool:
    return (
        image.source == "MOVIE"
        and image.library is None
        and Path(bpy.path.abspath(image.filepath)) == job.movie
        and image.colorspace_settings.name == space
    )


def _load(job: FinishedJob, path: str) -> bpy.types.Image:
    try:
        return bpy.data.images.load(path, check_existing=False)
    except RuntimeError as error:
        raise UserError(f"{job.movie} cannot be opened: {error}", "Generate the clip again.") from None


def follow_shot(user: Any, job: FinishedJob, scene: bpy.types.Scene) -> None:
    """Shows the clip's k-th frame at the shot's k-th, whatever the rates; its first before it and its last after it.

    user: an image user, or a compositor's image node.
    """
    user.frame_duration, user.frame_start, user.frame_offset = job.frames, job.frame_start, 0
    user.use_cyclic, user.use_auto_refresh = False, True
    shaded = isinstance(user.id_data, bpy.types.NodeTree | bpy.types.Camera)
    if shaded and not isinstance(user, bpy.types.Node):  # the compositor and editors count rendered frames
        follow_stretched_time(user, job, scene)


def earlier_takes(showers: list[Any], job: FinishedJob) -> tuple[list[Any], str]:
    """Those whose `image` is an earlier take of job's shot, and the other job they show or ""; ([], "") for none.

    Where several takes of the shot are, the last one placed is meant.
    """
    found = {shower.image: shower for shower in showers if shower.image and shows_shot(shower.image, job)}
    if not found:
        return [], ""
    last = list(found)[-1]
    images = same_take(found, last)
    return [shower for shower in showers if shower.image in images], job_shown(last) if job_shown(
        last
    ) != job.id else ""
