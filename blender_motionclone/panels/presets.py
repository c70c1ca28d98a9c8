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
        if bpy.utils.preset_paths(MOTIONCLONE_PT_presets.preset_subdir):
            super().draw(context)
        else:  # Blender would speak of missing paths before the first is kept
            _draw_add(self.layout)


def _draw_add(layout: bpy.types.UILayout) -> None:
    """As Blender draws it beneath those that there are."""
    manager, row = bpy.data.window_managers[0], layout.row()
    part = row.row()
    part.emboss = "NORMAL"
    part.prop(manager, "preset_name", text="")
    button(row, "preset_add", text="").name = manager.preset_name


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_PT_presets,))
