"""What happens when another file is opened, or when the user undoes."""

from __future__ import annotations

import bpy
from bpy.app.handlers import persistent

from .capture.stage import take_left_over_away
from .jobs import generation, job_runner, takes


@persistent
def before_load(*_) -> None:
    """A capture belongs to the scene that goes away; the worker's jobs do not."""
    generation.stop()
    takes.forget_session()


@persistent
def after_load(*_) -> None:
    take_left_over_away()
    job_runner.look_around()


@persistent
def after_undo(*_) -> None:
    if not generation.going_on():
        take_left_over_away()
    takes.bring_back()
    job_runner.sync_takes()


HANDLERS = (("load_pre", before_load), ("load_post", after_load), ("undo_post", after_undo), ("redo_post", after_undo))


def register() -> None:
    for name, handler in HANDLERS:
        getattr(bpy.app.handlers, name).append(handler)


def unregister() -> None:
    generation.stop()
    takes.forget_session()
    for name, handler in HANDLERS:
        getattr(bpy.app.handlers, name).remove(handler)
