"""What of the scene makes a shot, checked before anything dear is done."""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from ...backend.wire.request import Shot
from ..errors import UserError


@dataclass(frozen=True, kw_only=True)
class SceneShot:
    """Scene frames start..end, both included; fps frames a second; aspect = width / height as shown."""

    start: int
    end: int
    fps: float
    aspect: float

    @property
    def grid(self) -> Shot:
        """The frame grid the result must lie on."""
        return Shot(frames=self.end - self.start + 1, fps=self.fps)


def shot_of(scene: bpy.types.Scene) -> SceneShot:
    """The active camera's shot over the scene's frame range. UserError says what makes it none."""
    _check(scene)
    render = scene.render
    width = render.resolution_x * render.pixel_aspect_x
    height = render.resolution_y * render.pixel_aspect_y
    return SceneShot(
        start=scene.frame_start, end=scene.frame_end, fps=render.fps / render.fps_base, aspect=width / height
    )


def _check(scene: bpy.types.Scene) -> None:
    if scene.camera is None:
        raise UserError(f"Scene {scene.name!r} has no camera.", "Add one (Add > Camera) or set Scene > Camera.")
    if scene.camera.type != "CAMERA":
        raise UserError(
            f"The scene's camera {scene.camera.name!r} is no camera object.", "Set another in Scene > Camera."
        )
    start, end = scene.frame_start, scene.frame_end
    if end < start:
        raise UserError(
            f"The frame range ends ({end}) before it starts ({start}).", "Set the End frame after the Start."
        )
    if end == start:
        raise UserError(f"The shot is one frame long (frame {start}); nothing can move.", "Set a later End frame.")
    if scene.frame_step != 1:
        raise UserError(
            f"The frame step is {scene.frame_step}; a shot needs every frame.", "Set Output > Frame Range > Step to 1."
        )
