"""Play a take, and stop that."""

from __future__ import annotations

import bpy

from ..form_scene import form_scene
from ..jobs import take_states, takes
from ..results import watching
from ..results.finished_job import read_finished_job
from .in_window import InWindow
from .reporting import reporting_errors


class MOTIONCLONE_OT_watch(InWindow, bpy.types.Operator):
    """Play this take beside the view, next to the reference that it follows"""

    bl_idname = "motionclone.watch"
    bl_label = "Watch"
    bl_options = {"UNDO"}

    job: bpy.props.StringProperty(name="Job", description="A take's id. Empty: the active one")

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            take = takes.take_of(form_scene(context), self.job)
            folder = take_states.existing_folder(take)
            job = read_finished_job(folder, take.frame_start)
            watching.watch(context, context.scene, job, folder / "reference")
            return {"FINISHED"}
        return {"CANCELLED"}


class MOTIONCLONE_OT_stop_watching(InWindow, bpy.types.Operator):
    """Close the area in which the take is played"""

    bl_idname = "motionclone.stop_watching"
    bl_label = "Stop Watching"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        watching.stop()
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_watch, MOTIONCLONE_OT_stop_watching))
