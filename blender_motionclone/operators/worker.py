"""Start and stop the worker by hand; generating starts it when it is needed."""

from __future__ import annotations

import bpy

from ..jobs import job_runner
from .reporting import reporting_errors


class MOTIONCLONE_OT_start_worker(bpy.types.Operator):
    """Start the worker now, to see whether it does; it starts by itself with the first take"""

    bl_idname = "motionclone.start_worker"
    bl_label = "Start Worker"

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            job_runner.start_worker(context)
            return {"FINISHED"}
        return {"CANCELLED"}


class MOTIONCLONE_OT_stop_worker(bpy.types.Operator):
    """Stop the worker and give its memory back. Takes that are not done stay and can be run again"""

    bl_idname = "motionclone.stop_worker"
    bl_label = "Stop Worker"

    def execute(self, context: bpy.types.Context) -> set[str]:
        job_runner.stop_worker()
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_start_worker, MOTIONCLONE_OT_stop_worker))
