"""Renders a camera's animation as a reference clip, and what is wanted beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy

from .looks import dressed
from .passes import capture_passes
from .plan import CapturePlan
from .rendering import prepare_pictures, render_frames
from .shot import aspect_of
from .stage import named, staged


def capture_camera(plan: CapturePlan, folder: Path) -> Iterator[None]:
    """Writes folder/reference/0000.png ..., then the passes beside it, a rendered picture a step."""
    scene = named(bpy.data.scenes, plan.target.scene)
    with staged(scene, plan.target.view_layer, until=max(plan.times)[0]) as stage:
        stage.scene.camera = named(bpy.data.objects, plan.target.camera)
        # A scene strip stretches its scene's frame over that of the edit.
        prepare_pictures(stage.scene, plan.size, aspect_of(stage.scene))
        with dressed(stage, plan.look, plan.shading):
            for _ in render_frames(stage, plan.times, folder / "reference"):
                yield
        yield from capture_passes(stage, plan, folder)
