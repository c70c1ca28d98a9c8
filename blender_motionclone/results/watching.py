"""Plays a take in an image editor beside the view, with its reference next to it at the same time of the shot.

It is an image editor, because that follows the frame of the window's scene in every Blender. Blender 5's sequencer may
show another scene, and older ones would have to switch scenes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy
import gpu
import numpy as np
from gpu_extras.presets import draw_texture_2d

from ...backend.job_folder.problem import Problem
from ..capture.reference_cache import ignoring_changes
from ..picture_files import reads_quickly
from ..session import session
from .finished_job import FinishedJob
from .movie_image import follow_shot, movie_image

MAX = 256  # pictures of a reference
GAP = 0.03  # between the two, relative to a picture's side
EDGE = 0.96  # share of the region that both fill
HOSTS = ("VIEW_3D", "SEQUENCE_EDITOR")
MIN_WIDTH = 400  # pixels of an area that is wide enough to split
SECONDS_TO_DRAW = 0.1  # until a new area knows its size
HIDDEN = ("show_region_ui", "show_region_toolbar", "show_region_tool_header")


class ReferenceBeside:
    """Draws left of the clip or above it, whichever leaves more room for both, until `remove` is called."""

    def __init__(self, area: int, folder: Path, job: FinishedJob, size: tuple[int, int]):
        """area: the image editor's pointer; folder: the reference's pictures; size: (width, height) of the clip."""
        self._area, self._job, self._size = area, job, size
        self._pictures = [_texture(path) for path in sorted(folder.glob("*.png"))[:MAX] if reads_quickly(path)]
        self._offset = (-1 - GAP, 0.0)
        self._handler = bpy.types.SpaceImageEditor.draw_handler_add(self._draw, (), "WINDOW", "POST_VIEW")

    def remove(self) -> None:
        if self._handler:
            bpy.types.SpaceImageEditor.draw_handler_remove(self._handler, "WINDOW")
        self._handler, self._pictures = None, []

    def fit(self, width: int, height: int) -> tuple[float, tuple[float, float]]:
        """Returns (zoom, offset) at which both fill a region of that size in pixels. offset: from the clip's center to
        the view's, relative to the clip's sides. Also decides where the reference is drawn."""
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
        """The number of the picture nearest to that frame; pictures are spread evenly over the shot."""
        share = (frame - self._job.frame_start) / max(1, self._job.frames - 1)
        return round(min(1.0, max(0.0, share)) * (len(self._pictures) - 1))


def _linear(shown: np.ndarray) -> np.ndarray:
    """float32 linear light of displayed sRGB values."""
    return np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _texture(path: Path) -> gpu.types.GPUTexture:
    """A texture that shows the picture without color conversion."""
    image = bpy.data.images.load(str(path), check_existing=False)
    try:
        width, height = image.size
        values = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(values)
        if bpy.app.version < (5, 0):  # its image editor treats drawn colors as linear
            values = _linear(values)
    finally:
        bpy.data.images.remove(image)
    return gpu.types.GPUTexture((width, height), format="RGBA16F", data=gpu.types.Buffer("FLOAT", len(values), values))


@dataclass
class _Watched:
    """What is shown where. area: its pointer; range: the former preview range (use_preview_range, start, end)."""

    area: int
    job: str
    scene: str
    range: tuple[bool, int, int]
    beside: ReferenceBeside


@dataclass
class _Now:
    """What is playing, if anything."""

    watched: _Watched | None = None


_now = session.part(_Now)


def watched() -> str:
    """The job of the take that is playing; "" for none."""
    return _now.watched.job if _now.watched and _area() else ""


def watch(context: bpy.types.Context, scene: bpy.types.Scene, job: FinishedJob, reference: Path) -> None:
    """Plays the clip beside the current view. Problem when there is not enough room.

    reference: the folder of the reference's pictures.
    """
    image = movie_image(job)
    window, area = _free_area(context)
    before = _now.watched.range if _now.watched and _now.watched.scene == scene.name else _preview_range(scene)
    if _now.watched:
        _now.watched.beside.remove()
    beside = ReferenceBeside(area.as_pointer(), reference, job, tuple(image.size))
    _now.watched = _Watched(area.as_pointer(), job.id, scene.name, before, beside)
    space = area.spaces.active
    space.image = image
    follow_shot(space.image_user, job, scene)
    for name in HIDDEN:
        setattr(space, name, False)
    with ignoring_changes():  # the shot does not change
        _play(window, area, scene, job)
    bpy.app.timers.register(_fit, first_interval=SECONDS_TO_DRAW)


def stop() -> None:
    """Closes the area again, and restores the scene's preview range."""
    if not _now.watched:
        return
    found, (scene, before, beside) = _area(), (_now.watched.scene, _now.watched.range, _now.watched.beside)
    _now.watched = None
    beside.remove()
    if scene := bpy.data.scenes.get(scene):
        scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = before
    if found:
        window, area = found
        with bpy.context.temp_override(window=window, screen=window.screen, area=area):
            if window.screen.is_animation_playing:
                bpy.ops.screen.animation_cancel(restore_frame=False)
            bpy.ops.screen.area_close()


def forget() -> None:
    """Called when another file with its own screens is opened, or the add-on is disabled."""
    if _now.watched:
        _now.watched.beside.remove()
    _now.watched = None
    if bpy.app.timers.is_registered(_fit):
        bpy.app.timers.unregister(_fit)


def _area() -> tuple[bpy.types.Window, bpy.types.Area] | None:
    """The area where it is playing, while that is an image editor."""
    areas = ((window, area) for window in bpy.context.window_manager.windows for area in window.screen.areas)
    return next(
        ((w, a) for w, a in areas if _now.watched and a.as_pointer() == _now.watched.area and a.type == "IMAGE_EDITOR"),
        None,
    )


def _free_area(context: bpy.types.Context) -> tuple[bpy.types.Window, bpy.types.Area]:
    """The area that is already playing a take, or a new one: half of the current view, or of the largest."""
    if found := _area():
        return found
    window = context.window
    if window.screen.show_fullscreen:
        raise Problem(
            "A maximized area fills the window, so there is no room to show the take.", "Press Ctrl+Space in it first."
        )
    areas = [area for area in window.screen.areas if area.type in HOSTS and area.width >= MIN_WIDTH]
    if not areas:
        raise Problem("There is no room to show the take.", "Enlarge a 3D viewport or a sequencer.")
    host = context.area if context.area in areas else max(areas, key=lambda area: area.width * area.height)
    before = {area.as_pointer() for area in window.screen.areas}
    with context.temp_override(window=window, screen=window.screen, area=host, region=_region(host)):
        bpy.ops.screen.area_split(direction="VERTICAL", factor=0.5)
    new = [area for area in window.screen.areas if area.as_pointer() not in before]
    if not new:
        raise Problem("There is no room to show the take.", "Enlarge a 3D viewport or a sequencer.")
    new[0].ui_type = "IMAGE_EDITOR"
    return window, new[0]


def _region(area: bpy.types.Area) -> bpy.types.Region:
    return next(region for region in area.regions if region.type == "WINDOW")


def _preview_range(scene: bpy.types.Scene) -> tuple[bool, int, int]:
    return scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end


def _play(window: bpy.types.Window, area: bpy.types.Area, scene: bpy.types.Scene, job: FinishedJob) -> None:
    """Plays only the shot's frames, in a loop."""
    last = job.frame_start + job.frames - 1
    if (scene.frame_start, scene.frame_end) != (job.frame_start, last) or scene.use_preview_range:
        scene.use_preview_range = True
        scene.frame_preview_start, scene.frame_preview_end = job.frame_start, last
    scene.frame_set(job.frame_start)
    window.screen.use_play_image_editors = True
    if not window.screen.is_animation_playing:
        with bpy.context.temp_override(window=window, screen=window.screen, area=area, region=_region(area)):
            bpy.ops.screen.animation_play()


def _fit() -> None:
    """Zooms so that the clip and the reference fill the area."""
    if not (found := _area()):
        return
    window, area = found
    region = _region(area)
    width, height = area.spaces.active.image.size
    ratio, offset = _now.watched.beside.fit(region.width, region.height)
    with bpy.context.temp_override(window=window, screen=window.screen, area=area, region=region):
        bpy.ops.image.view_all()
        bpy.ops.image.view_zoom_ratio(ratio=ratio)
        bpy.ops.image.view_pan(offset=(offset[0] * width, offset[1] * height))
