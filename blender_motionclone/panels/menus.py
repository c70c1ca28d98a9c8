"""Menus: models, placements, and presets."""

from __future__ import annotations

import bpy
from bl_ui.utils import PresetPanel
from bpy.app.translations import pgettext_iface as iface_

from ..declarations import Operators
from ..form_scene import form_scene
from ..properties import PLACEMENTS
from ..settings_text import SHIPPED
from ..setup import backend_models
from .buttons import button
from .sidebar import fits

ARROW = 20  # pixels of the icon and the arrow, minus a label's margins


class MOTIONCLONE_MT_models(bpy.types.Menu):
    """The available models"""

    bl_idname = "MOTIONCLONE_MT_models"
    bl_label = "Model"

    def draw(self, context: bpy.types.Context) -> None:
        chosen = form_scene(context).motionclone.model
        for model in backend_models.models() or ():
            icon = "ERROR" if model["missing"] else "CHECKMARK" if model["name"] == chosen else "BLANK1"
            choose = button(self.layout, Operators.CHOOSE_MODEL, text=model["title"], translate=False, icon=icon)
            choose.model = model["name"]
        self.layout.separator()
        button(self.layout, Operators.GET_MODEL)


class MOTIONCLONE_MT_place(bpy.types.Menu):
    """Where to place the take"""

    bl_idname = "MOTIONCLONE_MT_place"
    bl_label = "Place"

    def draw(self, context: bpy.types.Context) -> None:
        for identifier, name, _description, icon, _number in PLACEMENTS:
            if identifier != "NONE":
                button(self.layout, Operators.TAKE_PLACE, text=name, icon=icon).how = identifier


def draw_models(layout: bpy.types.UILayout, context: bpy.types.Context, less: int) -> None:
    """The menu's button: the chosen model's title if it fits, or else its name. less: pixels beside it."""
    name = form_scene(context).motionclone.model
    titles = {model["name"]: model["title"] for model in backend_models.models() or ()}
    title = titles.get(name, name)
    text = title if fits(context, title, less + ARROW) else name
    layout.menu(MOTIONCLONE_MT_models.bl_idname, text=text or iface_("Model"), icon=Operators.CHOOSE_MODEL.icon)


class MOTIONCLONE_PT_presets(PresetPanel, bpy.types.Panel):
    """Sets of settings to begin with"""

    bl_label = "MotionClone Presets"
    preset_subdir = "motionclone"
    preset_operator = "script.execute_preset"
    preset_add_operator = Operators.PRESET_ADD

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.emboss = "PULLDOWN_MENU"
        for preset in SHIPPED:
            button(self.layout, Operators.APPLY_PRESET, text=preset.title).preset = preset.name
        self.layout.separator()
        if bpy.utils.preset_paths(MOTIONCLONE_PT_presets.preset_subdir):
            super().draw(context)
        else:  # before the first preset, Blender would report missing paths
            _draw_add(self.layout)


def _draw_add(layout: bpy.types.UILayout) -> None:
    """The row that Blender draws below existing presets."""
    manager, row = bpy.data.window_managers[0], layout.row()
    part = row.row()
    part.emboss = "NORMAL"
    part.prop(manager, "preset_name", text="")
    button(row, Operators.PRESET_ADD, text="").name = manager.preset_name


CLASSES = (MOTIONCLONE_MT_models, MOTIONCLONE_MT_place, MOTIONCLONE_PT_presets)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
