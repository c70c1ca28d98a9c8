"""Time stretching (Output > Frame Range): Blender counts keys, drivers and textures in stretched time, shots in frames
as they are rendered."""

from __future__ import annotations

import bpy

from .finished_job import FinishedJob

NEVER = 1_000_000  # a frame before which all are: an image user that starts here shows what its offset says
BETWEEN = 0.25  # of a frame: a key that far before it is past at the frame, whatever rounding does


def time_of(scene: bpy.types.Scene, frame: int) -> float:
    """When a key has to be to count from this rendered frame on."""
    old, new = scene.render.frame_map_old, scene.render.frame_map_new
    return frame if old == new else (frame - BETWEEN) * old / new


def follow_stretched_time(user: bpy.types.ImageUser, job: FinishedJob, scene: bpy.types.Scene) -> None:
    """An image user's frames are those of stretched time, of which there may be fewer than the clip has. A driver then
    finds the clip's frame; it reads the stretching from the scene, and so follows when that changes."""
    user.driver_remove("frame_offset")
    if scene.render.frame_map_old == scene.render.frame_map_new:
        return
    user.frame_start = NEVER
    driver = user.driver_add("frame_offset").driver
    for name in ("old", "new"):
        variable = driver.variables.new()
        variable.name = name
        target = variable.targets[0]
        target.id_type, target.id, target.data_path = "SCENE", scene, f"render.frame_map_{name}"
    rendered = f"floor(frame * new / old + {BETWEEN})"
    driver.expression = f"min(max({rendered} - {job.frame_start}, 0), {job.frames - 1}) + 1"
