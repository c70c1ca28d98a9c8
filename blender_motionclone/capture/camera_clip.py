"""Renders the active camera's animation as a reference clip."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import bpy

from ...backend.wire.clip_size import clip_size
from ..errors import UserError
from ..neutral_view import make_neutral
from .frame_times import frame_times
from .pixel_aspect import pixel_aspect
from .preserved import preserved
from .shot import SceneShot

ENGINE = "BLENDER_WORKBENCH"

# The reference is read as plain sRGB pictures of what the camera sees, without what is burnt in or laid over.
_RENDER = {
    "resolution_percentage": 100,
    "use_border": False,
    "use_crop_to_border": False,
    "use_compositing": False,
    "use_sequencer": False,
    "use_motion_blur": False,
    "use_multiview": False,
    "use_stamp": False,
    "use_overwrite": True,
    "use_file_extension": True,
    "save_output": True,
    "film_transparent": False,
    "dither_intensity": 0.0,
}
_IMAGE = {
    "media_type": "IMAGE",
    "file_format": "PNG",
    "color_mode": "RGB",
    "color_depth": "8",
    "compression": 15,
    "color_management": "FOLLOW_SCENE",
}


def render_reference(
    scene: bpy.types.Scene,
    shot: SceneShot,
    model: dict,
    count: int,
    folder: Path,
    on_frame: Callable[[int, int], None],
) -> None:
    """Writes folder/0000.png ...: `count` pictures, evenly over the shot, at the model's size.

    model: an entry as `python -m backend models --json` gives it ("area", "multiple").
    on_frame(done, of) is called after each. Scene, settings and frame are as before afterwards, also after an error.
    """
    height, width = size = clip_size(shot.aspect, model["area"], model["multiple"])
    times = frame_times(shot.start, shot.end, count)
    folder.mkdir()
    with preserved(scene):
        _set(scene.render, _RENDER | {"engine": ENGINE, "resolution_x": width, "resolution_y": height})
        scene.render.pixel_aspect_x, scene.render.pixel_aspect_y = pixel_aspect(shot.aspect, size)
        _set(scene.render.image_settings, _IMAGE)
        _show_as_srgb(scene.display_settings)
        make_neutral(scene.view_settings)
        for k, _ in enumerate(_visited(scene, times)):
            _render_frame(scene, folder / f"{k:04d}.png")
            on_frame(k + 1, len(times))


def _set(owner: bpy.types.bpy_struct, values: dict) -> None:
    """Sets what this version of Blender has."""
    for name, value in values.items():
        if hasattr(owner, name):
            setattr(owner, name, value)


def _show_as_srgb(display: bpy.types.ColorManagedDisplaySettings) -> None:
    """A studio's own colour configuration may know no such device: its own stays."""
    with suppress(TypeError):
        display.display_device = "sRGB"


def _visited(scene: bpy.types.Scene, times: Iterable[tuple[int, float]]) -> Iterable[tuple[int, float]]:
    """Moves the scene to each time. Walks through the whole frames between, which uncached simulations need."""
    last = None
    for frame, subframe in times:
        for between in range(frame if last is None else last + 1, frame):
            scene.frame_set(between)
        scene.frame_set(frame, subframe=subframe)
        last = frame
        yield frame, subframe


def _render_frame(scene: bpy.types.Scene, path: Path) -> None:
    scene.render.filepath = str(path)
    try:
        bpy.ops.render.render(write_still=True, scene=scene.name)
    except RuntimeError as error:
        raise UserError(
            f"Frame {scene.frame_current} could not be rendered: {error}", "Mend it and try again."
        ) from None
    if not path.is_file():
        raise UserError(f"The render of frame {scene.frame_current} was not written to {path}.", "Is the disk full?")
