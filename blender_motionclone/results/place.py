"""Places a finished take where the user wants it."""

from __future__ import annotations

from collections.abc import Callable

import bpy

from ...backend.job_folder.problem import Problem
from .camera_view import place_background, place_plane
from .finished_job import FinishedJob
from .movie_strip import place_strip
from .nodes import place_in_compositor, place_texture
from .placement import Placement, PlacementOptions


def place_job(
    context: bpy.types.Context, scene: bpy.types.Scene, job: FinishedJob, how: str, options: PlacementOptions
) -> Placement:
    """Places the job's clip. how: an identifier of properties.PLACEMENTS. Problem when it cannot.

    The caller makes an undo step of it. The job does not have to be a take of this scene.
    """
    if not scene.is_editable:
        raise Problem("Scene {scene} is linked and cannot be changed.", "Make it local, or open its file.").about(
            scene=repr(scene.name)
        )
    placement = PLACERS[how](context, scene, job, options)
    _remember(scene, job, how, placement)
    return placement


def _remember(scene: bpy.types.Scene, job: FinishedJob, how: str, placement: Placement) -> None:
    for take in scene.motionclone.takes:
        if take.name == job.id:
            take.placement, take.placed_in = how, placement.name
        elif take.name == placement.replaced and take.placement == how:
            take.placement = take.placed_in = ""


Placer = Callable[[bpy.types.Context, bpy.types.Scene, FinishedJob, PlacementOptions], Placement]
PLACERS: dict[str, Placer] = {
    "STRIP": place_strip,
    "TEXTURE": place_texture,
    "PLANE": place_plane,
    "BACKGROUND": place_background,
    "COMPOSITOR": place_in_compositor,
}
