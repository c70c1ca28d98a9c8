"""Take an offer away that the user does not want."""

from __future__ import annotations

import bpy

from ..form_scene import form_scene
from ..jobs import job_runner, takes
from ..jobs.job_home import dismiss
from .reporting import reporting_errors


class MOTIONCLONE_OT_dismiss_offers(bpy.types.Operator):
    """Do not offer these takes again. Their files stay: Add Takes lists one of them by its job's folder"""

    bl_idname = "motionclone.dismiss_offers"
    bl_label = "Dismiss Takes"
    bl_options = {"INTERNAL"}

    done: bpy.props.BoolProperty(name="Done", description="Those that are finished; else those that are not")

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            if not self.done:
                job_runner.give_up_lost()
            for folder in (takes.finished_elsewhere if self.done else takes.unfinished)(form_scene(context)):
                dismiss(folder)
                takes.withdraw_offer(folder)
            return {"FINISHED"}
        return {"CANCELLED"}


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_dismiss_offers,))
