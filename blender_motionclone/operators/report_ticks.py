"""Tell whether MotionClone holds Blender up."""

from __future__ import annotations

import bpy

from .. import tick_times


class MOTIONCLONE_OT_report_ticks(bpy.types.Operator):
    bl_idname = "motionclone.report_ticks"
    bl_label = "Report MotionClone's Timers"
    bl_description = (
        "Say for how long MotionClone's timers have kept Blender from you at most, since Blender was started: the "
        "processor's time, and what the clock says, which is more when the machine is busy"
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        self.report({"INFO"}, f"Longest ticks: {tick_times.report()}")
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_report_ticks,))
