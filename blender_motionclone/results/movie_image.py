"""A clip as a movie image: its path as a .blend stores it, and its frames in the scene's time."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import bpy

from ...backend.job_folder.problem import Problem
from .colors import set_space
from .finished_job import FinishedJob
from .placement import job_shown, mark, same_take, shows_shot

FOLDER_BYTES, NAME_BYTES = 767, 255  # of a strip's path; images allow 1023 in total
NEVER = 1_000_000  # later than every frame: an image user that starts here shows the frame of its offset
RENDERED = "floor(frame * new / old + 0.25)"  # the rendered frame; the quarter allows for rounding


def stored_path(movie: Path) -> str:
    """Relative to the saved .blend if the user prefers that, or else absolute. Problem when it is too long."""
    path = os.fspath(movie)
    if bpy.data.is_saved and bpy.context.preferences.filepaths.use_relative_paths:
        with suppress(ValueError):  # a different drive than the .blend's
            path = bpy.path.relpath(path)
    folder, name = os.path.split(path)
    if len(os.fsencode(folder)) >= FOLDER_BYTES or len(os.fsencode(name)) > NAME_BYTES:
        raise Problem(
            "The path of {movie} is too long for Blender.",
            "Choose a jobs folder with a shorter path in Preferences > Add-ons > MotionClone.",
        ).about(movie=movie)
    return path


def hide_outside_shot(obj: bpy.types.Object, scene: bpy.types.Scene, job: FinishedJob) -> None:
    """Makes it visible, also in renders, on the shot's frames only."""
    first, last = job.frame_start, job.frame_start + job.frames - 1
    for name in ("hide_viewport", "hide_render"):
        setattr(obj, name, not first <= scene.frame_current <= last)  # drivers are evaluated a little later
        driver = _driver_that_reads(obj, name, scene)
        driver.expression = f"{RENDERED} < {first} or {RENDERED} > {last}"


def follow_stretched_time(user: bpy.types.ImageUser, job: FinishedJob, scene: bpy.types.Scene) -> None:
    """An image user counts frames in stretched time, which may have fewer than the clip. A driver then finds the clip's
    frame."""
    user.driver_remove("frame_offset")
    if scene.render.frame_map_old == scene.render.frame_map_new:
        return
    user.frame_start = NEVER
    driver = _driver_that_reads(user, "frame_offset", scene)
    driver.expression = f"min(max({RENDERED} - {job.frame_start}, 0), {job.frames - 1}) + 1"


def _driver_that_reads(owner: bpy.types.bpy_struct, path: str, scene: bpy.types.Scene) -> bpy.types.Driver:
    """Adds a driver whose variables `old` and `new` are the scene's time stretching."""
    driver = owner.driver_add(path).driver
    for name in ("old", "new"):
        variable = driver.variables.new()
        variable.name = name
        target = variable.targets[0]
        target.id_type, target.id, target.data_path = "SCENE", scene, f"render.frame_map_{name}"
    return driver


def movie_image(job: FinishedJob, space: str = "sRGB") -> bpy.types.Image:
    """The clip's image in that color space: the existing one, reloaded, or a new one."""
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
        raise Problem("{movie} has {found} frames, but the shot has {frames}.", "Generate the clip again.").about(
            movie=job.movie, found=found, frames=job.frames
        )
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
        raise Problem("{movie} cannot be opened: {reason}", "Generate the clip again.").about(
            movie=job.movie, reason=error
        ) from None


def follow_shot(user: Any, job: FinishedJob, scene: bpy.types.Scene) -> None:
    """Shows frame k of the clip at frame k of the shot, at any frame rate. Before it, shows the first frame; after it,
    the last.

    user: an image user, or a compositor's image node.
    """
    user.frame_duration, user.frame_start, user.frame_offset = job.frames, job.frame_start, 0
    user.use_cyclic, user.use_auto_refresh = False, True
    shaded = isinstance(user.id_data, bpy.types.NodeTree | bpy.types.Camera)
    if shaded and not isinstance(user, bpy.types.Node):  # the compositor and editors count rendered frames
        follow_stretched_time(user, job, scene)


def earlier_takes(showers: list[Any], job: FinishedJob) -> tuple[list[Any], str]:
    """Users whose `image` is an earlier take of the job's shot, and the other job that they show or ""; ([], "") for
    none.

    If there are several takes of the shot, the one that was placed last counts.
    """
    found = {shower.image: shower for shower in showers if shower.image and shows_shot(shower.image, job)}
    if not found:
        return [], ""
    last = list(found)[-1]
    images = same_take(found, last)
    return [shower for shower in showers if shower.image in images], job_shown(last) if job_shown(
        last
    ) != job.id else ""
