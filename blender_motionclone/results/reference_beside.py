"""Draws a take's reference next to its clip, at the same moment of the shot, in the image editor that plays it."""

from __future__ import annotations

from pathlib import Path

import bpy
import gpu
import numpy as np
from gpu_extras.presets import draw_texture_2d

from ..picture_size import reads_quickly
from .finished_job import FinishedJob

MOST = 256  # pictures of a reference
GAP = 0.03  # between the two, of a picture's side
EDGE = 0.96  # of the region that both fill


class ReferenceBeside:
    """Left of the clip or above it, whichever leaves both more room. It is drawn until `remove`."""

    def __init__(self, area: int, folder: Path, job: FinishedJob, size: tuple[int, int]):
        """area: the image editor's, as a pointer; folder: of the reference's pictures; size: (width, height) of the
        clip."""
        self._area, self._job, self._size = area, job, size
        self._pictures = [_texture(path) for path in sorted(folder.glob("*.png"))[:MOST] if reads_quickly(path)]
        self._offset = (-1 - GAP, 0.0)
        self._handler = bpy.types.SpaceImageEditor.draw_handler_add(self._draw, (), "WINDOW", "POST_VIEW")

    def remove(self) -> None:
        if self._handler:
            bpy.types.SpaceImageEditor.draw_handler_remove(self._handler, "WINDOW")
        self._handler, self._pictures = None, []

    def fit(self, width: int, height: int) -> tuple[float, tuple[float, float]]:
        """-> (zoom, offset): at which both fill a region of that size in pixels, and how far the view's middle lies
        from the clip's, as shares of the clip's sides. Also settles where the reference is drawn."""
        across, up = width * EDGE / self._size[0], height * EDGE / self._size[1]
        beside, above = min(across / (2 + GAP), up), min(across, up / (2 + GAP))
        if not self._pictures:
            return min(across, up), (0.0, 0.0)
        self._offset = (-1 - GAP, 0.0) if beside >= above else (0.0, 1 + GAP)
        return max(beside, above), (self._offset[0] / 2, self._offset[1] / 2)

    def _draw(self) -> None:
        context = bpy.context
        if not self._pictures or context.area is None or context.area.as_pointer() != self._area:
            return
        draw_texture_2d(self._pictures[self._number(context.scene.frame_current)], self._offset, 1.0, 1.0)

    def _number(self, frame: int) -> int:
        """Of the picture that was taken next to that frame: they lie evenly over the shot."""
        share = (frame - self._job.frame_start) / max(1, self._job.frames - 1)
        return round(min(1.0, max(0.0, share)) * (len(self._pictures) - 1))


def _linear(shown: np.ndarray) -> np.ndarray:
    """float32 of what a screen shows (sRGB), as the light that it sends out."""
    return np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _texture(path: Path) -> gpu.types.GPUTexture:
    """As it is shown: nothing is converted on the way to the screen."""
    image = bpy.data.images.load(str(path), check_existing=False)
    try:
        width, height = image.size
        values = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(values)
        if bpy.app.version < (5, 0):  # whose image editor takes what is drawn for linear
            values = _linear(values)
    finally:
        bpy.data.images.remove(image)
    return gpu.types.GPUTexture((width, height), format="RGBA16F", data=gpu.types.Buffer("FLOAT", len(values), values))
