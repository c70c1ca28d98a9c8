"""Finished takes go where the scene wants them, each as one undo step."""

from __future__ import annotations

from contextlib import suppress

import bpy

from ..results.place import place_take
from . import takes


def place_finished(job: str, undo: bool = True) -> None:
    """UserError when it cannot be placed; the take stays in the list. undo: false within an operator, which makes the
    undo step itself."""
    for scene, take in takes.named(job):
        how = scene.motionclone.place
        if how == "NONE":
            continue
        with _window():
            place_take(bpy.context, scene, take, how)
            if undo:
                with suppress(RuntimeError):  # undo is switched off, or there is no window
                    bpy.ops.ed.undo_push(message="Place MotionClone Take")


def _window():
    """A timer has none of its own, and placing and undo ask for one."""
    windows = bpy.context.window_manager.windows
    return bpy.context.temp_override(**({"window": windows[0]} if len(windows) else {}))
