"""How a stage renders: at which times, and which kind of pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import bpy

from ...backend.job_folder.problem import Problem
from .pixels import pixel_aspect
from .plain_colors import make_plain
from .simulations import first_frame
from .stage import Stage, put

WAITING = "waiting"  # what a capture yields for a step that renders no picture
# The reference is plain sRGB pictures of what the camera sees, without overlays or burnt-in text.
_RENDER: dict[str, Any] = {
    "resolution_percentage": 100,
    "use_border": False,
    "use_crop_to_border": False,
    "use_compositing": False,
    "use_sequencer": False,
    "use_motion_blur": False,
    "use_multiview": False,
    "use_freestyle": False,
    "use_stamp": False,
    "use_overwrite": True,
    "use_file_extension": True,
    "save_output": True,
    "film_transparent": False,
    "dither_intensity": 0.0,
}
_PNG = {
    "media_type": "IMAGE",
    "file_format": "PNG",
    "color_mode": "RGB",
    "color_depth": "8",
    "compression": 15,
    "color_management": "FOLLOW_SCENE",
}


def prepare_pictures(scene: bpy.types.Scene, size: tuple[int, int], aspect: float) -> None:
    """Makes a stage's scene render sRGB PNG pictures of size (H, W) that show exactly the frame of that aspect."""
    height, width = size
    put(scene.render, _RENDER | {"resolution_x": width, "resolution_y": height})
    scene.render.pixel_aspect_x, scene.render.pixel_aspect_y = pixel_aspect(aspect, size)
    put(scene.render.image_settings, _PNG)
    stamps = [p.identifier for p in scene.render.bl_rna.properties if p.identifier.startswith("use_stamp")]
    put(scene.render, dict.fromkeys(stamps, False))  # metadata with the date would make equal pictures differ
    make_plain(scene)


def use_engine(scene: bpy.types.Scene, engine: str, otherwise: str) -> None:
    """otherwise: the hint for a Blender without that engine."""
    try:
        scene.render.engine = engine
    except TypeError:
        raise Problem("This Blender has no render engine {title}.", otherwise).about(title=engine.title()) from None


def render_frames(
    stage: Stage, times: Sequence[tuple[int, float]], folder: Path, suffix: str = ".png"
) -> Iterator[tuple[int, Path]]:
    """Renders time k into folder/0000.png ...; yields k and each file when it is written."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in visited(stage, times):
        path = folder / f"{k:04d}{suffix}"
        stage.render(path)
        yield k, path


def visited(stage: Stage, times: Sequence[tuple[int, float]]) -> Iterator[int]:
    """Moves the stage to each of the times and yields its number, the earliest first, because they may be reversed.
    Steps through all whole frames in between, which simulations without a cache need."""
    last = first_frame(stage.scene, min(times)[0]) - 1
    for k in sorted(range(len(times)), key=times.__getitem__):
        frame, subframe = times[k]
        for between in range(last + 1, frame):
            stage.scene.frame_set(between)
        stage.scene.frame_set(frame, subframe=subframe)
        last = frame
        yield k
