"""The presets' popover: those that MotionClone brings, then the user's own, which Blender keeps."""

from __future__ import annotations

import bpy
from bl_ui.utils import PresetPanel

from ..shipped_presets import SHIPPED
from .buttons import button


class MOTIONCLONE_PT_presets(PresetPanel, bpy.types.Panel):
    """Settings to begin with"""

    bl_label = "MotionClone Presets"
    preset_subdir = "motionclone"
    preset_operator = "script.execute_preset"
    preset_add_operator = "motionclone.preset_add"

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.emboss = "PULLDOWN_MENU"
        for preset in SHIPPED:
            button(self.layout, "apply_preset", text=preset.title).preset = preset.name
        self.layout.separator()
        super().draw(context)


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_PT_presets,))
