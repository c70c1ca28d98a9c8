"""Finished takes go where their scenes want them, each as one undo step."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import bpy

from ..results.finished_job import FinishedJob, read_finished_job
from ..results.place import place_job
from ..results.placement import Wish
from . import take_states


@dataclass(frozen=True)
class Place:
    """scene: its name; how: an identifier of properties.PLACES."""

    scene: str
    how: str
    job: FinishedJob


def places_of(job: str) -> list[Place]:
    """Where it goes. Only its folder is looked at. UserError when that holds no whole clip."""
    return [
        Place(scene.name, how, read_finished_job(take_states.known_folder(take), take.frame_start))
        for scene, take in take_states.named(job)
        if (how := scene.motionclone.place) != "NONE"
    ]


def place(where: Place) -> None:
    """UserError when it cannot be; the take stays in the list."""
    if scene := bpy.data.scenes.get(where.scene):
        window = _window(scene)
        with bpy.context.temp_override(window=window):  # a timer has none of its own, and undo asks for one
            with bpy.context.temp_override(scene=scene, view_layer=_layer(scene, window)):
                place_job(bpy.context, scene, where.job, where.how, Wish(replace=True))
            with suppress(RuntimeError):  # undo is switched off, or there is no window
                bpy.ops.ed.undo_push(message="Place MotionClone Take")


def _window(scene: bpy.types.Scene) -> bpy.types.Window | None:
    """One that shows the scene, if there is one."""
    windows = sorted(bpy.context.window_manager.windows, key=lambda window: window.scene != scene)
    return next(iter(windows), None)


def _layer(scene: bpy.types.Scene, window: bpy.types.Window | None) -> bpy.types.ViewLayer:
    """In which the scene has its active object."""
    return window.view_layer if window and window.scene == scene else scene.view_layers[0]
