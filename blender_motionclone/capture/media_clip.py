"""A strip as a reference clip, through Blender's own sequencer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np

from ..errors import UserError
from .pixels import scaled, to_bytes, write_png
from .plan import CapturePlan
from .rendering import prepare_pictures
from .stage import AGAIN, Stage, named, staged


def capture_strip(plan: CapturePlan, folder: Path) -> Iterator[None]:
    """The strip as its scene's sequencer shows it, alone."""
    with staged(named(bpy.data.scenes, plan.target.scene), plan.target.view_layer, animated=True) as stage:
        _leave_only(stage.scene.sequence_editor, plan.target.strip)
        yield from _pictures(stage, plan, [round(frame + part) for frame, part in plan.times], folder)


def strips_of(editor) -> bpy.types.bpy_prop_collection:
    """Blender 5 has renamed sequences to strips."""
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def _leave_only(editor, name: str) -> None:
    """Silences all strips but that one and the metas around it."""
    everyone = getattr(editor, "strips_all", None) or getattr(editor, "sequences_all", ())  # Blender 5, Blender 4
    if name not in everyone:
        raise UserError(f"The strip {name!r} is gone since the shot was planned.", AGAIN)
    wanted = everyone[name]
    for strip in everyone:
        strip.mute = not _holds(strip, wanted)
    wanted.blend_type, wanted.blend_alpha = "REPLACE", 1.0


def _holds(strip, wanted) -> bool:
    if strip == wanted:
        return True
    return strip.type == "META" and any(_holds(inner, wanted) for inner in strips_of(strip))


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
            picture = scaled(_read(full), plan.size)
            full.unlink()
        write_png(reference / f"{k:04d}.png", to_bytes(picture))
        yield


def _read(path: Path) -> np.ndarray:
    """float32 RGB [H, W, 3] of 0..1 as stored in the file."""
    image = bpy.data.images.load(str(path), check_existing=False)
    try:
        image.colorspace_settings.is_data = True
        width, height = image.size
        values = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(values)
    finally:
        bpy.data.images.remove(image)
    return values.reshape(height, width, 4)[::-1, :, :3]
