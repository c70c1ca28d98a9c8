"""Show a take's files."""

from __future__ import annotations

import bpy

from ..errors import UserError
from ..form_scene import form_scene
from ..jobs import job_runner, take_states, takes
from ..jobs.job_files import is_job
from .reporting import reporting_errors


class MOTIONCLONE_OT_take_open_folder(bpy.types.Operator):
    """Open the folder with this take's clip, reference and log in the system's file browser"""

    bl_idname = "motionclone.take_open_folder"
    bl_label = "Open Folder"

    job: bpy.props.StringProperty(name="Job", description="A take's id. Empty: the active one")

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            take = takes.take_of(form_scene(context), self.job)
            folder = take_states.existing_folder(take)
            job_runner.sync_takes()  # one that was out of reach is looked at from now on
            if "." in folder.name or not is_job(folder):  # a system may run what is named like a program
                raise UserError(f"{folder} was not made by the add-on, so it is not opened.", "Open it by hand.")
            try:
                bpy.ops.wm.path_open(filepath=str(folder))
            except (RuntimeError, OSError):
                raise UserError(f"The system shows no folders. It is {folder}.", "Open it by hand.") from None
            return {"FINISHED"}
        return {"CANCELLED"}


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_take_open_folder,))
