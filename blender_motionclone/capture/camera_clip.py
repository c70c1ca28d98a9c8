"""Renders a camera's animation as a reference clip."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy

from ..errors import UserError
from .looks import dressed
from .plan import CapturePlan
from .rendering import prepare_pictures, render_frames
from .stage import AGAIN, hold_simulation, staged


def capture_camera(plan: CapturePlan, folder: Path) -> Iterator[Path]:
    """Writes folder/reference/0000.png ..., one file a step: the model's frames at the model's size."""
    with staged(named(bpy.data.scenes, plan.scene), plan.view_layer) as stage:
        stage.scene.camera = named(bpy.data.objects, plan.camera)
        hold_simulation(stage.scene, plan.shot.end)
        prepare_pictures(stage.scene, plan.size, plan.shot.aspect)
        with dressed(stage, plan.look, plan.shading):
            yield from render_frames(stage, plan.times, folder / "reference")


def named(blocks: bpy.types.bpy_prop_collection, full_name: str) -> bpy.types.ID:
    """The data-block of that full name, which tells a linked one from a local one; UserError when it is gone."""
    for block in blocks:
        if block.name_full == full_name:
            return block
    raise UserError(f"{full_name!r} is gone since the shot was planned.", AGAIN)
