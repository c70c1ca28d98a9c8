"""Plays a take in place: an image editor beside the view shows the clip, and its reference next to it.

An image editor, because it follows the frame of the window's scene in every Blender; Blender 5's sequencer may show
another scene, and older ones would have to switch scenes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy

from ..capture.filmed import own_changes
from ..errors import UserError
from ..session import session
from .finished_job import FinishedJob
from .movie_image import follow_shot, movie_image
from .reference_beside import ReferenceBeside

HOSTS = ("VIEW_3D", "SEQUENCE_EDITOR")
LEAST_WIDTH = 400  # pixels of an area that is worth dividing
SECONDS_TO_DRAW = 0.1  # until a new area knows how large it is
HIDDEN = ("show_region_ui", "show_region_toolbar", "show_region_tool_header")


@dataclass
class _Watched:
    """What is shown where. area: as a pointer; range: use_preview_range and its ends, as they were."""

    area: int
    job: str
    scene: str
    range: tuple[bool, int, int]
    beside: ReferenceBeside


@dataclass
class _Now:
    """What is played, if anything."""

    watched: _Watched | None = None


_now = session.part(_Now)


def watched() -> str:
    """The job of the take that is shown; "" for none."""
    return _now.watched.job if _now.watched and _area() else ""


def watch(context: bpy.types.Context, scene: bpy.types.Scene, job: FinishedJob, reference: Path) -> None:
    """Shows the clip beside the view that the user is in, and plays it. UserError when there is no room for it.

    reference: the folder of the pictures that it follows.
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
    with own_changes():  # the shot is as it was
        _play(window, area, scene, job)
    bpy.app.timers.register(_fit, first_interval=SECONDS_TO_DRAW)


def stop() -> None:
    """Takes the area away again, and gives the scene its range back."""
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
    """Another file is opened, with screens of its own; or the add-on ends."""
    if _now.watched:
        _now.watched.beside.remove()
    _now.watched = None
    if bpy.app.timers.is_registered(_fit):
        bpy.app.timers.unregister(_fit)


def _area() -> tuple[bpy.types.Window, bpy.types.Area] | None:
    """Where it is shown, while that is still an image editor."""
    areas = ((window, area) for window in bpy.context.window_manager.windows for area in window.screen.areas)
    return next(
        ((w, a) for w, a in areas if _now.watched and a.as_pointer() == _now.watched.area and a.type == "IMAGE_EDITOR"),
        None,
    )


def _free_area(context: bpy.types.Context) -> tuple[bpy.types.Window, bpy.types.Area]:
    """The one that shows a take already, else a new one: half of the view that the user is in, or of the largest."""
    if found := _area():
        return found
    window = context.window
    if window.screen.show_fullscreen:
        raise UserError(
            "One area fills the window, so there is no room to show the take.", "Press Ctrl Space in it first."
        )
    areas = [area for area in window.screen.areas if area.type in HOSTS and area.width >= LEAST_WIDTH]
    if not areas:
        raise UserError("There is no room to show the take.", "Make a 3D view or a sequencer larger.")
    host = context.area if context.area in areas else max(areas, key=lambda area: area.width * area.height)
    before = {area.as_pointer() for area in window.screen.areas}
    with context.temp_override(window=window, screen=window.screen, area=host, region=_region(host)):
        bpy.ops.screen.area_split(direction="VERTICAL", factor=0.5)
    new = [area for area in window.screen.areas if area.as_pointer() not in before]
    if not new:
        raise UserError("There is no room to show the take.", "Make a 3D view or a sequencer larger.")
    new[0].ui_type = "IMAGE_EDITOR"
    return window, new[0]


def _region(area: bpy.types.Area) -> bpy.types.Region:
    return next(region for region in area.regions if region.type == "WINDOW")


def _preview_range(scene: bpy.types.Scene) -> tuple[bool, int, int]:
    return scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end


def _play(window: bpy.types.Window, area: bpy.types.Area, scene: bpy.types.Scene, job: FinishedJob) -> None:
    """The shot's frames only, over and over."""
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
    """Clip and reference fill the area."""
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
