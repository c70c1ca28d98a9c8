"""Give the scene its own view back."""

from __future__ import annotations

import bpy

from ..form_scene import form_scene
from ..results.colours import restore_view


class MOTIONCLONE_OT_restore_view(bpy.types.Operator):
    """Give the scene the view back that it had before it was made Standard to keep a clip's colours"""

    bl_idname = "motionclone.restore_view"
    bl_label = "Restore View"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not form_scene(context).motionclone.view_before:
            cls.poll_message_set("The scene's view is its own")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        restore_view(form_scene(context))
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_restore_view,))
