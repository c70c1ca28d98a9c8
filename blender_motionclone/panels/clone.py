"""The first panel: reference, prompt, look, and one big button that says what it will do."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import facts
from ..facts import Facts
from ..jobs import job_runner
from ..setup import install_runner
from ..setup.backend_state import READY
from .buttons import button
from .first_run import draw_first_run, draw_installing
from .menus import draw_models
from .presets import MOTIONCLONE_PT_presets
from .problem import draw_obstacle, draw_problem
from .progress import draw_work
from .spaces import in_both_sidebars
from .text import fits, paragraph, width

BIG = 1.8  # of a button's usual height
NAMES = 0.32  # share of the width that names of menus take
ICON = 14  # pixels that a wide button leaves less for its text than a label does


class MOTIONCLONE_PT_sidebar:
    """What to clone, and the button that does it"""

    bl_label = "MotionClone"
    bl_order = 0

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        MOTIONCLONE_PT_presets.draw_panel_header(self.layout)

    def draw(self, context: bpy.types.Context) -> None:
        known = facts.of(context.scene)
        if install_runner.running():
            draw_installing(self.layout, context)
        elif known.steps:
            draw_first_run(self.layout, context, known)
        if problem := install_runner.problem() or job_runner.problem():
            draw_problem(self.layout, context, problem)
        if known.backend == READY:
            draw_form(self.layout, context)
            draw_generate(self.layout, context, known)
            draw_work(self.layout, context)
        elif known.problem:  # the preferences
            draw_obstacle(self.layout, context, known.problem)


def draw_form(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    settings = context.scene.motionclone
    _draw_reference(_section(layout, "Reference"), settings)
    column = _section(layout, "Prompt")
    column.prop(settings, "prompt", text="", placeholder="What the clip shows")
    column.prop(settings, "negative_prompt", text="", placeholder="What it shall not show")
    column = _section(layout, "Look")
    draw_models(labelled(column, "Model"), context, less=round(NAMES * width(context)))
    labelled(column, "Preset").prop(settings, "preset", text="")
    column.prop(settings, "strength", slider=True)
    row = column.row(align=True)
    row.prop(settings, "seed")
    row.prop(settings, "seeds")


def _draw_reference(column: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
    row = column.row(align=True)
    row.prop(settings, "source", text="")
    if settings.source == "CAMERA":
        row.prop(settings, "shots", text="")
        labelled(column, "Shading").prop(settings, "look", text="")
    elif settings.source == "FILE":
        column.prop(settings, "clip_file", text="", placeholder="A video or a folder of pictures")


def _section(layout: bpy.types.UILayout, title: str) -> bpy.types.UILayout:
    column = layout.column()
    column.label(text=title)
    return column.column(align=True)


def labelled(column: bpy.types.UILayout, title: str) -> bpy.types.UILayout:
    """A row that begins with its name: what a menu shows does not say what it is about."""
    row = column.split(factor=NAMES, align=True)
    row.label(text=title)
    return row


def draw_generate(layout: bpy.types.UILayout, context: bpy.types.Context, known: Facts) -> None:
    """The button, and beneath it what it will make, or what is still missing."""
    column = layout.column()
    row = column.row()
    row.scale_y = BIG
    row.enabled = bool(known.button) and job_runner.capture() is None
    short = known.button if known.button and fits(context, known.button, ICON) else ""
    button(row, "generate", text=short or iface_("Generate", "Operator"), translate=False)
    if known.problem:
        draw_obstacle(column, context, known.problem)
    elif known.button:
        paragraph(column, context, known.detail if short else f"{known.button}: {known.detail}")


register, unregister = bpy.utils.register_classes_factory(in_both_sidebars(MOTIONCLONE_PT_sidebar))
