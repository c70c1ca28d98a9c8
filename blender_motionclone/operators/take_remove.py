"""Take a take off the list, and its files off the disk if the user wants it."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import reach
from ..errors import UserError
from ..form_scene import form_scene
from ..jobs import job_runner, take_states, takes
from ..jobs.job_files import delete_job, is_job
from ..jobs.job_home import dismiss
from ..properties import MotionCloneTake
from ..sentences import sentence
from .reporting import reporting_errors


class MOTIONCLONE_OT_take_remove(bpy.types.Operator):
    """Remove this take from the list; its files only if you say so"""

    bl_idname = "motionclone.take_remove"
    bl_label = "Remove Take"
    bl_options = {"REGISTER", "UNDO"}

    job: bpy.props.StringProperty(name="Job", description="A take's id. Empty: the active one")
    delete_files: bpy.props.BoolProperty(
        name="Delete Its Files", description="Delete the job's folder with the clip. This cannot be undone"
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self.delete_files = False
        return context.window_manager.invoke_props_dialog(self, confirm_text=iface_("Remove", "Operator"))

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.prop(self, "delete_files")
        take = form_scene(context).motionclone.takes.get(self.job) or takes.take_of(form_scene(context), "")
        if self.delete_files and take.placed_in:
            self.layout.label(text=sentence(f"{take.placed_in!r} will lose its clip."), icon="ERROR", translate=False)

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            take = takes.take_of(form_scene(context), self.job)
            if take.name in job_runner.mine():
                raise UserError("This take is being made or waits for it.", "Cancel it first.")
            if self.delete_files:
                _delete_files(take)
            elif (folder := take_states.in_jobs_folder(take)) and is_job(folder):
                dismiss(folder)  # offers are looked for there alone
            takes.remove_take(form_scene(context), take.name)
            return {"FINISHED"}
        return {"CANCELLED"}


def _delete_files(take: MotionCloneTake) -> None:
    """Wherever they are, if they are there."""
    reach.choose(take.folder)
    if folder := take_states.folder_of(take):
        delete_job(folder)


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_take_remove,))
