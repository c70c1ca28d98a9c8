"""What happens when another file is opened, or when the user undoes."""

from __future__ import annotations

from contextlib import suppress

import bpy
from bpy.app.handlers import persistent

from .capture import filmed
from .capture.stage import take_left_over_away
from .errors import UserError
from .jobs import generation, job_runner, takes
from .preferences import worker_is_remote
from .results import watching
from .setup import backend_models


@persistent
def before_load(*_) -> None:
    """A capture belongs to the scene that goes away; the worker's jobs do not."""
    generation.stop()
    takes.forget_session()
    watching.forget()
    filmed.forget()


@persistent
def after_load(*_) -> None:
    with job_runner.surviving_errors():
        take_left_over_away()
    job_runner.look_at_takes()
    if not backend_models.models() and not worker_is_remote(bpy.context):
        with suppress(UserError):  # said when the user asks for something
            job_runner.refresh_models(bpy.context)


@persistent
def after_undo(*_) -> None:
    with job_runner.surviving_errors():
        if not generation.going_on():
            take_left_over_away()
        filmed.forget()
        takes.bring_back()
        job_runner.sync_takes()


HANDLERS = (
    *(("load_pre", before_load), ("load_post", after_load)),
    *(("undo_post", after_undo), ("redo_post", after_undo)),
    ("depsgraph_update_post", filmed.note_changes),
)


def register() -> None:
    for name, handler in HANDLERS:
        getattr(bpy.app.handlers, name).append(handler)


def unregister() -> None:
    generation.stop()
    takes.forget_session()
    watching.forget()
    filmed.forget()
    for name, handler in HANDLERS:
        getattr(bpy.app.handlers, name).remove(handler)
