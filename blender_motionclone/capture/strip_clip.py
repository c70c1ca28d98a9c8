"""A strip as a reference clip, through Blender's own sequencer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy

from ...backend.job_folder.writing import remove_with_retry
from .pixels import scaled, to_bytes, write_png
from .plan import CapturePlan
from .read_back import read_picture
from .rendering import prepare_pictures
from .stage import Stage, named, staged
from .strip_media import check_media
from .strip_tree import leave_only, strip_named


def capture_strip(plan: CapturePlan, folder: Path) -> Iterator[None]:
    """The strip as its scene's sequencer shows it, alone."""
    scene = named(bpy.data.scenes, plan.target.scene)
    check_media(strip_named(scene.sequence_editor, plan.target.strip), plan.shot.start, plan.shot.end)
    with staged(scene, plan.target.view_layer) as stage:
        leave_only(stage.scene.sequence_editor, plan.target.strip)
        yield from _pictures(stage, plan, [round(frame + part) for frame, part in plan.times], folder)


def _pictures(stage: Stage, plan: CapturePlan, frames: list[int], folder: Path) -> Iterator[None]:
    """Renders each frame at the stage's own size, then makes it as large as the model's."""
    scene = stage.scene
    width, height = scene.render.resolution_x, scene.render.resolution_y
    pixels = scene.render.pixel_aspect_x, scene.render.pixel_aspect_y
    prepare_pictures(scene, (height, width), 1.0)
    scene.render.pixel_aspect_x, scene.render.pixel_aspect_y = pixels
    scene.render.use_sequencer = True
    reference, full = folder / "reference", folder / "frame.png"
    reference.mkdir()
    for k, frame in enumerate(frames):
        if k == 0 or frame != frames[k - 1]:
            scene.frame_set(frame)
            stage.render(full)
            picture = scaled(read_picture(full), plan.size)
            remove_with_retry(full)
        write_png(reference / f"{k:04d}.png", to_bytes(picture))
        yield
