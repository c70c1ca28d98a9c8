"""Finished takes go where their scenes want them, each as one undo step."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

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
        Place(scene.name, how, read_finished_job(Path(bpy.path.abspath(take.folder)), take.frame_start))
        for scene, take in take_states.named(job)
        if (how := scene.motionclone.place) != "NONE"
    ]


def place(where: Place) -> None:
    """UserError when it cannot be; the take stays in the list."""
    if scene := bpy.data.scenes.get(where.scene):
        with _window():
            place_job(bpy.context, scene, where.job, where.how, Wish(replace=True))
            with suppress(RuntimeError):  # undo is switched off, or there is no window
                bpy.ops.ed.undo_push(message="Place MotionClone Take")


def _window():
    """A timer has none of its own, and placing and undo ask for one."""
    windows = bpy.context.window_manager.windows
    return bpy.context.temp_override(**({"window": windows[0]} if len(windows) else {}))
