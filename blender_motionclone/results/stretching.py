"""Time stretching (Output > Frame Range): Blender counts keys, drivers and textures in stretched time, shots in frames
as they are rendered. Drivers read the stretching from the scene, and so follow when it changes."""

from __future__ import annotations

import bpy

from .finished_job import FinishedJob

NEVER = 1_000_000  # a frame before which all are: an image user that starts here shows what its offset says
RENDERED = "floor(frame * new / old + 0.25)"  # the rendered frame; the quarter is for what rounding does


def hide_outside_shot(thing: bpy.types.Object, scene: bpy.types.Scene, job: FinishedJob) -> None:
    """It is seen and rendered on the shot's frames only."""
    first, last = job.frame_start, job.frame_start + job.frames - 1
    for name in ("hide_viewport", "hide_render"):
        setattr(thing, name, not first <= scene.frame_current <= last)  # drivers are looked at a little later
        driver = _driver_that_reads(thing, name, scene)
        driver.expression = f"{RENDERED} < {first} or {RENDERED} > {last}"


def follow_stretched_time(user: bpy.types.ImageUser, job: FinishedJob, scene: bpy.types.Scene) -> None:
    """An image user's frames are those of stretched time, of which there may be fewer than the clip has. A driver then
    finds the clip's frame."""
    user.driver_remove("frame_offset")
    if scene.render.frame_map_old == scene.render.frame_map_new:
        return
    user.frame_start = NEVER
    driver = _driver_that_reads(user, "frame_offset", scene)
    driver.expression = f"min(max({RENDERED} - {job.frame_start}, 0), {job.frames - 1}) + 1"


def _driver_that_reads(owner: bpy.types.bpy_struct, path: str, scene: bpy.types.Scene) -> bpy.types.Driver:
    """Of that property; its variables `old` and `new` are the scene's stretching."""
    driver = owner.driver_add(path).driver
    for name in ("old", "new"):
        variable = driver.variables.new()
        variable.name = name
        target = variable.targets[0]
        target.id_type, target.id, target.data_path = "SCENE", scene, f"render.frame_map_{name}"
    return driver
