"""The 3D view as it is seen, as a reference clip: drawn by Blender as on its screen, which needs its window.

Blender's own viewport render would draw the scene that the window shows, and so move what the user has not keyed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy
import gpu
import numpy as np
from mathutils import Matrix

from ..errors import UserError
from .pixels import write_png
from .plan import CapturePlan
from .rendering import visited
from .stage import Stage, named, staged
from .view_eye import eye_of


def capture_viewport(plan: CapturePlan, folder: Path) -> Iterator[None]:
    """Writes folder/reference/0000.png ...: the view without overlays, its shape the scene's, its colours the view's.

    What the view looks at and how is settled when the capture begins; turning it meanwhile changes nothing.
    """
    target = plan.target
    scene = named(bpy.data.scenes, target.scene)
    (folder / "reference").mkdir()
    with _view(target.view) as (space, region):
        eye = eye_of(space, region.data, scene, plan.shot.aspect, plan.size)
    with staged(scene, target.view_layer, until=plan.times[-1][0]) as stage:
        for k in visited(stage, plan.times):
            with _view(target.view) as (space, region), stage.read_by_drivers():
                if stage.values:  # asks drivers again; only then, since it writes what moves into the user's objects
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
    except Exception as error:  # Blender raises bare ones: no graphics driver, or no memory there
        raise UserError(
            f"The viewport cannot be drawn: {error}", "Choose Reference > Camera and the look Motion."
        ) from None
    try:
        canvas.draw_view3d(stage.scene, stage.view_layer, space, region, *eye, do_color_management=True)
        values = canvas.texture_color.read()
    finally:
        canvas.free()
    values.dimensions = height * width * 4
    return np.array(values, np.uint8).reshape(height, width, 4)[::-1, :, :3]


@contextmanager
def _view(pointer: int) -> Iterator[tuple[bpy.types.SpaceView3D, bpy.types.Region]]:
    """That 3D view, its overlays put away inside the block. Of four views in one, the one that turns freely."""
    areas = (area for window in bpy.context.window_manager.windows for area in window.screen.areas)
    area = next((area for area in areas if area.as_pointer() == pointer and area.type == "VIEW_3D"), None)
    if area is None:
        raise UserError("The 3D view was closed while it was being captured.", "Press Generate again.")
    space = area.spaces.active
    regions = [region for region in area.regions if region.type == "WINDOW"]
    shown, space.overlay.show_overlays = space.overlay.show_overlays, False
    try:
        yield space, min(regions, key=lambda region: region.data.lock_rotation)
    finally:
        space.overlay.show_overlays = shown
