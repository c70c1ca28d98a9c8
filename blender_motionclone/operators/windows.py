"""Lead to the preferences."""

from __future__ import annotations

import bpy

from ..preferences import ROOT_PACKAGE
from .in_window import InWindow


class MOTIONCLONE_OT_open_preferences(InWindow, bpy.types.Operator):
    """Open MotionClone's preferences: the backend, its folders, models and the worker"""

    bl_idname = "motionclone.open_preferences"
    bl_label = "Preferences"

    def execute(self, context: bpy.types.Context) -> set[str]:
        bpy.ops.screen.userpref_show(section="ADDONS")
        bpy.ops.preferences.addon_show(module=ROOT_PACKAGE)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_open_preferences,))
