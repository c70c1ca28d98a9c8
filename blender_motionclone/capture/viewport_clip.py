"""The 3D view as it is seen, as a reference clip: Blender's own viewport render, which needs its window."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy

from ..errors import UserError
from .plan import CapturePlan
from .rendering import prepare_pictures, visited
from .stage import named, staged


def capture_viewport(plan: CapturePlan, folder: Path) -> Iterator[None]:
    """Writes folder/reference/0000.png ...: the view without overlays, its shape the scene's."""
    target = plan.target
    scene = named(bpy.data.scenes, target.scene)
    (folder / "reference").mkdir()
    with staged(scene, target.view_layer) as stage:
        prepare_pictures(stage.scene, plan.size, plan.size[1] / plan.size[0])
        for k, _ in enumerate(visited(stage, plan.times)):
            path = folder / f"reference/{k:04d}.png"
            stage.scene.render.filepath = str(path)
            with (
                _animated_back(target.scene),
                _view(target.view) as view,
                bpy.context.temp_override(**view, scene=stage.scene, view_layer=stage.view_layer),
            ):
                bpy.ops.render.opengl(write_still=True, view_context=True)
            if not path.is_file():
                raise UserError(f"The viewport was not written to {path}.", "Make room on the disk, and try again.")
            yield


@contextmanager
def _view(pointer: int) -> Iterator[dict]:
    """The window, area and region of that 3D view, its overlays put away inside the block."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.as_pointer() == pointer and area.type == "VIEW_3D":
                region = next(region for region in area.regions if region.type == "WINDOW")
                overlay = area.spaces.active.overlay
                shown, overlay.show_overlays = overlay.show_overlays, False
                try:
                    yield {"window": window, "area": area, "region": region}
                finally:
                    overlay.show_overlays = shown
                return
    raise UserError("The 3D view was closed while it was being captured.", "Press Generate again.")


@contextmanager
def _animated_back(scene: str) -> Iterator[None]:
    """A viewport render evaluates the animation of all that is seen; the user's frame is put back after it."""
    try:
        yield
    finally:
        own = named(bpy.data.scenes, scene)
        own.frame_set(own.frame_current, subframe=own.frame_subframe)
