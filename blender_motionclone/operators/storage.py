"""Measures disk usage and cleans up. The backend does it in the background."""

from __future__ import annotations

import time

import bpy

from ...backend.job_folder.problem import Problem
from ..declarations import Operators
from ..preferences import backend_python, jobs_folder
from ..setup import install_runner, storage
from ..setup.interpreter import ROOT
from ..showing import redraw
from ..tick_times import timed
from .reporting import reporting_errors

SECONDS_BETWEEN_LOOKS = 0.25


class MOTIONCLONE_OT_storage_measure(bpy.types.Operator):
    """Measure how much disk space jobs, models and caches use"""

    bl_idname = Operators.STORAGE_MEASURE
    bl_label = Operators.STORAGE_MEASURE.label

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return not storage.asking()

    def execute(self, context: bpy.types.Context) -> set[str]:
        return _ask(self, context, clean=False)


class MOTIONCLONE_OT_storage_clean(bpy.types.Operator):
    bl_idname = Operators.STORAGE_CLEAN
    bl_label = Operators.STORAGE_CLEAN.label
    bl_description = (
        "Remove caches, which are rebuilt when needed, copies of other machines' jobs, and incomplete "
        "files. Jobs, clips, models, and files used within the last hour are kept"
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return not storage.asking()

    def execute(self, context: bpy.types.Context) -> set[str]:
        return _ask(self, context, clean=True)


def _ask(operator: bpy.types.Operator, context: bpy.types.Context, clean: bool) -> set[str]:
    with reporting_errors(operator):
        install_runner.forget_problem()
        storage.ask(backend_python(context), ROOT, jobs_folder(context), clean)
        if bpy.app.background:  # a script continues when it is done
            while not storage.poll():
                time.sleep(SECONDS_BETWEEN_LOOKS)
        elif not bpy.app.timers.is_registered(_tick):
            bpy.app.timers.register(_tick, first_interval=SECONDS_BETWEEN_LOOKS, persistent=True)
        return {"FINISHED"}
    return {"CANCELLED"}


def _tick() -> float | None:
    """Checks for the answer. Returns the seconds until the next check, or None."""
    with timed("storage"):
        try:
            answered = storage.poll()
        except Problem as error:
            install_runner.show(error)
            return None
        if answered:
            redraw()
        return SECONDS_BETWEEN_LOOKS if storage.asking() else None


_register, _unregister = bpy.utils.register_classes_factory(
    (MOTIONCLONE_OT_storage_measure, MOTIONCLONE_OT_storage_clean)
)


def register() -> None:
    _register()


def unregister() -> None:
    storage.forget()
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    _unregister()
