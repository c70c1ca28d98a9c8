"""The camera that a shot was seen through."""

from __future__ import annotations

import bpy

from ..errors import UserError
from .finished_job import FinishedJob


def shot_camera(scene: bpy.types.Scene, job: FinishedJob) -> bpy.types.Object:
    """That of the capture, while the scene has it; else the scene's own. UserError when there is none."""
    camera = scene.objects.get(job.camera) if job.camera else None
    if camera is None or camera.type != "CAMERA":
        camera = scene.camera
    if camera is None or camera.type != "CAMERA":
        raise UserError(f"Scene {scene.name!r} has no camera.", "Add one (Add > Camera) or set Scene > Camera.")
    return camera
