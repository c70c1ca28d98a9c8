"""Preferences > Add-ons > MotionClone. What else reads them does so by preferences.py."""

from __future__ import annotations

import bpy

from ..preferences import FINISH_RUNNING, ROOT_PACKAGE, WHEN_CLOSING
from .preferences_page import draw_page


class MotionClonePreferences(bpy.types.AddonPreferences):
    bl_idname = ROOT_PACKAGE

    backend_folder: bpy.props.StringProperty(
        name="Backend Folder",
        description="Where the backend is installed. Empty: the user's folder for application data",
        subtype="DIR_PATH",
    )
    backend_python: bpy.props.StringProperty(
        name="Backend Python",
        description="The Python that runs the backend, if it was not installed from here. Empty: the installed one",
        subtype="FILE_PATH",
    )
    wheels_folder: bpy.props.StringProperty(
        name="Offline Packages",
        description="A folder that the installer's command `wheels` filled: installing then needs no internet",
        subtype="DIR_PATH",
    )
    jobs_folder: bpy.props.StringProperty(
        name="Jobs Folder",
        description="Where jobs and their results are kept. Empty: the user's folder for application data",
        subtype="DIR_PATH",
    )
    worker_command: bpy.props.StringProperty(
        name="Worker Command",
        description="What starts the worker on another machine, as: ssh render 'cd motionclone; python -m backend "
        "serve'. Empty: the backend on this machine",
    )
    worker_is_remote: bpy.props.BoolProperty(
        name="Send Files",
        description="The worker does not see this machine's folders: jobs are sent to it and results fetched",
        default=True,
    )
    when_closing: bpy.props.EnumProperty(
        name="When Blender Closes",
        description="What becomes of takes that run or wait. Open the file again to add them or to run the rest",
        items=WHEN_CLOSING,
        default=FINISH_RUNNING,
    )

    first_run_hidden: bpy.props.BoolProperty(
        name="Hide First Steps", description="Do not show the way to the first clip in the sidebar"
    )
    models_shown: bpy.props.BoolProperty(name="Models", description="Show the models that can be had")

    def draw(self, context: bpy.types.Context) -> None:
        draw_page(self.layout, context, self)


register, unregister = bpy.utils.register_classes_factory((MotionClonePreferences,))
