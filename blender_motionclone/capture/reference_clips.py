"""Writes the reference clip of a camera, the 3D view, a strip or a file, and the passes of a camera."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import bpy
import gpu
import numpy as np
from mathutils import Matrix

from ...backend.job_folder.problem import Problem
from ...backend.job_folder.writing import remove_with_retry
from ..preferences import clip_command
from ..setup.backend_call import write_frames
from .passes import capture_passes
from .pixels import scaled, to_bytes, write_png
from .plain_colors import read_picture
from .plan import CapturePlan
from .rendering import WAITING, prepare_pictures, render_frames, visited
from .shading import shaded
from .shot import aspect_of
from .stage import Stage, named, staged
from .strips import check_media, isolate, strip_named
from .view_eye import eye_of

PAUSE = 0.002  # seconds between polls, well below what a tick may take


def capture_viewport(plan: CapturePlan, folder: Path) -> Iterator[None]:
    """Writes folder/reference/0000.png ...: the view without overlays, in the scene's shape and the view's colors.

    What the view shows is fixed when the capture begins; navigating meanwhile changes nothing.
    """
    target = plan.target
    scene = named(bpy.data.scenes, target.scene)
    (folder / "reference").mkdir()
    with _view(target.view) as (space, region):
        eye = eye_of(space, region.data, scene, plan.shot.aspect, plan.size)
    with staged(scene, target.view_layer, until=plan.times[-1][0]) as stage:
        for k in visited(stage, plan.times):
            with _view(target.view) as (space, region), stage.read_by_drivers():
                if stage.values:  # evaluates drivers again, which writes values into the user's objects
                    stage.view_layer.update()
                picture = _drawn(stage, space, region, eye(stage), plan.size)
            write_png(folder / f"reference/{k:04d}.png", picture)
            yield


def _drawn(
    stage: Stage,
    space: bpy.types.SpaceView3D,
    region: bpy.types.Region,
    eye: tuple[Matrix, Matrix],
    size: tuple[int, int],
) -> np.ndarray:
    """uint8 RGB [H, W, 3]."""
    height, width = size
    try:
        canvas = gpu.types.GPUOffScreen(width, height)
    except Exception as error:  # Blender raises bare exceptions: no graphics driver, or no memory
        raise Problem(
            "The viewport cannot be drawn: {reason}", "Choose Reference > Camera and the shading Motion."
        ).about(reason=error) from None
    try:
        canvas.draw_view3d(stage.scene, stage.view_layer, space, region, *eye, do_color_management=True)
        values = canvas.texture_color.read()
    finally:
        canvas.free()
    values.dimensions = height * width * 4
    return np.array(values, np.uint8).reshape(height, width, 4)[::-1, :, :3]


@contextmanager
def _view(pointer: int) -> Iterator[tuple[bpy.types.SpaceView3D, bpy.types.Region]]:
    """The 3D view, with overlays hidden inside the block. In a quad view, the region that rotates freely."""
    areas = (area for window in bpy.context.window_manager.windows for area in window.screen.areas)
    area = next((area for area in areas if area.as_pointer() == pointer and area.type == "VIEW_3D"), None)
    if area is None:
        raise Problem("The 3D viewport was closed during the capture.", "Press Generate again.")
    space = area.spaces.active
    regions = [region for region in area.regions if region.type == "WINDOW"]
    shown, space.overlay.show_overlays = space.overlay.show_overlays, False
    try:
        yield space, min(regions, key=lambda region: region.data.lock_rotation)
    finally:
        space.overlay.show_overlays = shown


def capture_camera(plan: CapturePlan, folder: Path) -> Iterator[None]:
    """Writes folder/reference/0000.png ..., then the passes, one rendered picture per step."""
    scene = named(bpy.data.scenes, plan.target.scene)
    with staged(scene, plan.target.view_layer, until=max(plan.times)[0]) as stage:
        stage.scene.camera = named(bpy.data.objects, plan.target.camera)
        # A scene strip stretches its scene's frame over the frame of the edit.
        prepare_pictures(stage.scene, plan.size, aspect_of(stage.scene))
        with shaded(stage, plan.reference_shading, plan.viewport_shading):
            for _ in render_frames(stage, plan.times, folder / "reference"):
                yield
        yield from capture_passes(stage, plan, folder)


def capture_strip(plan: CapturePlan, folder: Path) -> Iterator[None]:
    """Renders the strip alone, as its scene's sequencer shows it."""
    scene = named(bpy.data.scenes, plan.target.scene)
    check_media(strip_named(scene.sequence_editor, plan.target.strip), plan.shot.start, plan.shot.end)
    with staged(scene, plan.target.view_layer) as stage:
        isolate(stage.scene.sequence_editor, plan.target.strip)
        yield from _pictures(stage, plan, [round(frame + part) for frame, part in plan.times], folder)


def _pictures(stage: Stage, plan: CapturePlan, frames: list[int], folder: Path) -> Iterator[None]:
    """Renders each frame at the stage's own size, then resizes it to the model's."""
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


def capture_file(plan: CapturePlan, folder: Path) -> Generator[str | None, None, list[str]]:
    """Writes folder/reference/0000.png ..., spread evenly over the clip's time at any frame rate. Yields WAITING, or
    None for each finished picture; returns the notes."""
    assert plan.target.clip
    to = folder / "reference"
    call = write_frames(clip_command(bpy.context), plan.target.clip.path, plan.count, plan.size, to)
    shown = 0
    try:
        while (notes := call.answer()) is None:
            time.sleep(PAUSE)
            fresh = _written(to) > shown
            shown += fresh
            yield None if fresh else WAITING
    finally:
        call.drop()
    for _ in range(shown, plan.count):
        yield None
    return notes


def _written(folder: Path) -> int:
    with suppress(FileNotFoundError):
        return len(list(folder.glob("*.png")))
    return 0
