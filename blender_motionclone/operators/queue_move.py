"""Let a waiting job go earlier or later."""

from __future__ import annotations

import bpy

from ..errors import UserError
from ..jobs import job_runner
from .reporting import reporting_errors


class MOTIONCLONE_OT_queue_move(bpy.types.Operator):
    """Let this take be made earlier or later than the others that wait"""

    bl_idname = "motionclone.queue_move"
    bl_label = "Move in Queue"

    job: bpy.props.StringProperty(name="Job", description="A waiting job's id")
    place: bpy.props.IntProperty(name="Place", description="How many waiting jobs go before it", min=0)

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            if self.job not in job_runner.waiting():
                raise UserError(f"No job {self.job!r} waits here.", "It may run or be done already.")
            job_runner.move(self.job, self.place)
            return {"FINISHED"}
        return {"CANCELLED"}


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_queue_move,))
