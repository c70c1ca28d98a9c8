"""Stop the running job."""

from __future__ import annotations

import bpy

from ..errors import UserError
from ..jobs import job_runner
from .reporting import reporting_errors


class MOTIONCLONE_OT_cancel(bpy.types.Operator):
    """Stop the running MotionClone job, or another that waits. Its folder stays"""

    bl_idname = "motionclone.cancel"
    bl_label = "Cancel"

    job: bpy.props.StringProperty(name="Job", description="A job's id. Empty: the running one")
    everything: bpy.props.BoolProperty(name="Everything", description="Stop those that wait too")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not job_runner.running():
            cls.poll_message_set("No MotionClone job is running")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            jobs = job_runner.mine()
            if self.job and self.job not in jobs:
                raise UserError(f"No job {self.job!r} runs or waits here.", "It may have ended already.")
            for job in reversed(jobs) if self.everything else [self.job or jobs[0]]:
                job_runner.cancel(job)
            return {"FINISHED"}
        return {"CANCELLED"}


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_cancel,))
