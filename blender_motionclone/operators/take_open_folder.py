"""Show a take's files."""

from __future__ import annotations

import bpy

from ..errors import UserError
from ..jobs import take_states, takes
from .reporting import reporting_errors


class MOTIONCLONE_OT_take_open_folder(bpy.types.Operator):
    """Open the folder with this take's clip, reference and log in the system's file browser"""

    bl_idname = "motionclone.take_open_folder"
    bl_label = "Open Folder"

    job: bpy.props.StringProperty(name="Job", description="A take's id. Empty: the active one")

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            folder = take_states.existing_folder(takes.take_of(context.scene, self.job))
            try:
                bpy.ops.wm.path_open(filepath=str(folder))
            except (RuntimeError, OSError):
                raise UserError(f"The system shows no folders. It is {folder}.", "Open it by hand.") from None
            return {"FINISHED"}
        return {"CANCELLED"}


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_take_open_folder,))
