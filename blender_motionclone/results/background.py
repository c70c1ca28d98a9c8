"""A clip behind the scene in a camera's view. It is never rendered."""

from __future__ import annotations

import bpy

from ..errors import UserError
from .finished_job import FinishedJob
from .movie_image import earlier_takes, follow_shot, movie_image
from .placement import Placement, Wish
from .shot_camera import shot_camera


def place_background(_context: bpy.types.Context, scene: bpy.types.Scene, job: FinishedJob, wish: Wish) -> Placement:
    """The 3D view draws backgrounds past the scene's view transform, so that their colours need no care."""
    camera = shot_camera(scene, job)
    if not camera.data.is_editable:
        raise UserError(
            f"Camera {camera.name!r} is linked and cannot be changed.", "Make it local, or place the clip elsewhere."
        )
    backgrounds = camera.data.background_images
    images = [background for background in backgrounds if background.source == "IMAGE"]
    ours, replaced = earlier_takes(images, job) if wish.replace else ([], "")
    image = movie_image(job)
    for background in ours or [_add(backgrounds)]:
        background.image = image
        follow_shot(background.image_user, job, scene)
    camera.data.show_background_images = True
    text = f"The clip lies behind the scene in camera {camera.name!r}"
    return Placement(name=camera.name, replaced=replaced, text=text)


def _add(backgrounds: bpy.types.CameraBackgroundImages) -> bpy.types.CameraBackgroundImage:
    background = backgrounds.new()
    background.alpha = 1.0
    background.frame_method = "STRETCH"  # as the clip's pixels lie in the shot
    return background
