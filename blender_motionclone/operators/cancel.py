"""Stop the running job."""

from __future__ import annotations

import bpy

from .. import job_runner


class MOTIONCLONE_OT_cancel(bpy.types.Operator):
    """Stop the running MotionClone job. Its folder stays"""

    bl_idname = "motionclone.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not job_runner.running():
            cls.poll_message_set("No MotionClone job is running")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        job_runner.cancel()
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_cancel,))
