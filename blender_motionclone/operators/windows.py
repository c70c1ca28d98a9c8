"""Lead to the preferences."""

from __future__ import annotations

import bpy

from ..preferences import ROOT_PACKAGE


class MOTIONCLONE_OT_open_preferences(bpy.types.Operator):
    """Open MotionClone's preferences: the backend, its folders, models and the worker"""

    bl_idname = "motionclone.open_preferences"
    bl_label = "Preferences"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return not bpy.app.background

    def execute(self, context: bpy.types.Context) -> set[str]:
        bpy.ops.screen.userpref_show(section="ADDONS")
        bpy.ops.preferences.addon_show(module=ROOT_PACKAGE)
        return {"FINISHED"}


class MOTIONCLONE_OT_allow_online(bpy.types.Operator):
    """Open Blender's preferences where Allow Online Access is"""

    bl_idname = "motionclone.allow_online"
    bl_label = "Open Online Access"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return not bpy.app.background

    def execute(self, context: bpy.types.Context) -> set[str]:
        bpy.ops.screen.userpref_show(section="SYSTEM")
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (MOTIONCLONE_OT_open_preferences, MOTIONCLONE_OT_allow_online)
)
