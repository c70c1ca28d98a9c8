"""Install, repair and remove the backend, and open the preferences that show it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import bpy

from ...backend.job_folder.problem import Problem
from ..declarations import Operators
from ..jobs import job_runner
from ..preferences import ROOT_PACKAGE, check_online, install_options
from ..setup import install_runner
from .reporting import InWindow, reporting_errors


def run_installer(operator: bpy.types.Operator, arguments: Sequence[str], online: bool, wait: bool) -> set[str]:
    """Starts the installer; with `wait` returns at its end. online: whether it may download. An error on starting is
    reported, and shown in the panels with its repair."""
    with reporting_errors(operator, shown=not wait):
        try:
            if online:
                check_online()
            install_runner.start(arguments, None if arguments[0] == "doctor" else _look_again)
        except Problem as error:
            install_runner.show(error)
            raise
        if wait:
            install_runner.wait()
        return {"FINISHED"}
    return {"CANCELLED"}


def _look_again() -> None:
    """The backend or its models have changed."""
    with suppress(Problem):  # there is no backend any more
        job_runner.refresh_models(bpy.context)
    install_runner.ask("models list")


class MOTIONCLONE_OT_install_backend(bpy.types.Operator):
    bl_idname = Operators.INSTALL_BACKEND
    bl_label = Operators.INSTALL_BACKEND.label
    bl_description = (
        "Install the program that generates the clips, update it, or continue an interrupted "
        "installation. It has its own folder and does not change Blender's Python"
    )

    repair: bpy.props.BoolProperty(name="Repair", description="Check every installed file, and reinstall damaged ones")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _poll_idle(cls)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return self._run(context, wait=False)

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self._run(context, wait=True)

    def _run(self, context: bpy.types.Context, wait: bool) -> set[str]:
        with reporting_errors(self):
            options = install_options(context)
            arguments = ["backend", *options, *(["--repair"] if self.repair else [])]
            return run_installer(self, arguments, online="--wheels" not in options, wait=wait)
        return {"CANCELLED"}


class MOTIONCLONE_OT_cancel_install(bpy.types.Operator):
    """Stop the installer. What it has done is kept, and the next run continues from there"""

    bl_idname = Operators.CANCEL_INSTALL
    bl_label = Operators.CANCEL_INSTALL.label

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return install_runner.running() is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        install_runner.cancel()
        return {"FINISHED"}


class MOTIONCLONE_OT_remove_backend(bpy.types.Operator):
    """Remove everything that was installed and cached. Jobs and their clips are kept"""

    bl_idname = Operators.REMOVE_BACKEND
    bl_label = Operators.REMOVE_BACKEND.label

    models: bpy.props.BoolProperty(name="Models Too", description="Also remove downloaded models. Your own are kept")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _poll_idle(cls)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            where = install_options(context, wheels=False)
            models = ["--models"] if self.models else []
            return run_installer(self, ["remove", *where, *models], online=False, wait=bpy.app.background)
        return {"CANCELLED"}


def _poll_idle(operator: type) -> bool:
    if install_runner.running():
        operator.poll_message_set("MotionClone's installer is running")
        return False
    return True


class MOTIONCLONE_OT_open_preferences(InWindow, bpy.types.Operator):
    """Open MotionClone's preferences: the backend, its folders, models, and the worker"""

    bl_idname = Operators.OPEN_PREFERENCES
    bl_label = Operators.OPEN_PREFERENCES.label

    def execute(self, context: bpy.types.Context) -> set[str]:
        bpy.ops.screen.userpref_show(section="ADDONS")
        bpy.ops.preferences.addon_show(module=ROOT_PACKAGE)
        return {"FINISHED"}


CLASSES = (
    MOTIONCLONE_OT_install_backend,
    MOTIONCLONE_OT_cancel_install,
    MOTIONCLONE_OT_remove_backend,
    MOTIONCLONE_OT_open_preferences,
)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
