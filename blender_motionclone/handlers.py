"""Handlers for opening files, undo, and appending."""

from __future__ import annotations

from contextlib import suppress

import bpy
from bpy.app.handlers import persistent

from ..backend.job_folder.problem import Problem
from .capture import reference_cache
from .capture.stage import remove_leftovers
from .jobs import generation, job_runner, takes
from .preferences import worker_is_remote
from .properties import carry_over_all
from .results import watching
from .setup import backend_models


@persistent
def before_load(*_) -> None:
    """A capture belongs to the scene that is closed. The worker's jobs do not."""
    generation.stop()
    takes.forget_session()
    watching.forget()
    reference_cache.forget()


@persistent
def after_load(*_) -> None:
    with job_runner.showing_errors():
        remove_leftovers()
        carry_over_all()
    job_runner.look_at_takes()
    if not backend_models.models() and not worker_is_remote(bpy.context):
        with suppress(Problem):  # reported when the user needs the models
            job_runner.refresh_models(bpy.context)


@persistent
def after_undo(*_) -> None:
    with job_runner.showing_errors():
        if not generation.going_on():
            remove_leftovers()
        carry_over_all()
        reference_cache.forget()
        takes.list_again()
        job_runner.sync_takes()


@persistent
def after_import(*_) -> None:
    """Scenes may have been appended from an older file."""
    with job_runner.showing_errors():
        carry_over_all()


HANDLERS = (
    *(("load_pre", before_load), ("load_post", after_load)),
    *(("undo_post", after_undo), ("redo_post", after_undo)),
    ("depsgraph_update_post", reference_cache.note_changes),
    *((("blend_import_post", after_import),) if hasattr(bpy.app.handlers, "blend_import_post") else ()),  # 4.3
)


def register() -> None:
    for name, handler in HANDLERS:
        getattr(bpy.app.handlers, name).append(handler)


def unregister() -> None:
    generation.stop()
    takes.forget_session()
    watching.forget()
    reference_cache.forget()
    for name, handler in HANDLERS:
        getattr(bpy.app.handlers, name).remove(handler)
