"""Menus: which model, and where a take goes."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ..form_scene import form_scene
from ..properties import PLACES
from ..setup import backend_models
from .buttons import ICONS, button
from .text import fits

ARROW = 20  # pixels of the icon and the arrow, less what a label's edges have more


class MOTIONCLONE_MT_models(bpy.types.Menu):
    """The models that can be chosen"""

    bl_idname = "MOTIONCLONE_MT_models"
    bl_label = "Model"

    def draw(self, context: bpy.types.Context) -> None:
        chosen = form_scene(context).motionclone.model
        for model in backend_models.models() or ():
            icon = "ERROR" if model["missing"] else "CHECKMARK" if model["name"] == chosen else "BLANK1"
            choose = button(self.layout, "choose_model", text=model["title"], translate=False, icon=icon)
            choose.model = model["name"]
        self.layout.separator()
        button(self.layout, "get_model")


class MOTIONCLONE_MT_place(bpy.types.Menu):
    """Where the take can go"""

    bl_idname = "MOTIONCLONE_MT_place"
    bl_label = "Use"

    def draw(self, context: bpy.types.Context) -> None:
        for identifier, name, _description, icon, _number in PLACES:
            if identifier != "NONE":
                button(self.layout, "take_place", text=name, icon=icon).how = identifier


def draw_models(layout: bpy.types.UILayout, context: bpy.types.Context, less: int) -> None:
    """The menu's button: the chosen model's title if it fits, else its name. less: pixels that stand beside it."""
    name = form_scene(context).motionclone.model
    titles = {model["name"]: model["title"] for model in backend_models.models() or ()}
    title = titles.get(name, name)
    text = title if fits(context, title, less + ARROW) else name
    layout.menu(MOTIONCLONE_MT_models.bl_idname, text=text or iface_("Model"), icon=ICONS["choose_model"])


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_MT_models, MOTIONCLONE_MT_place))
