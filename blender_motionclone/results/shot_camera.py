"""The camera that a shot was seen through."""

from __future__ import annotations

import bpy

from ..capture.shot import checked_camera
from .finished_job import FinishedJob


def shot_camera(scene: bpy.types.Scene, job: FinishedJob) -> bpy.types.Object:
    """That of the capture, while the scene has it; else the scene's own. UserError when there is none."""
    camera = scene.objects.get(job.camera) if job.camera else None
    if camera is None or camera.type != "CAMERA":
        return checked_camera(scene)
    return camera
