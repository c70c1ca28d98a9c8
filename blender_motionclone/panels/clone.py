"""The first panel: reference, prompt, generation settings, and one large button that says what it will do."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import facts
from ..declarations import Operators
from ..facts import Facts
from ..forecast import count_of
from ..form_scene import form_scene
from ..jobs import job_runner
from ..prompt_words import PromptWords
from ..properties import active_take
from ..setup import install_runner
from ..setup.interpreter import READY
from ..translations import sentence
from .buttons import button, draw_obstacle, draw_problem, watch_button
from .first_run import draw_first_run, draw_installing
from .menus import MOTIONCLONE_PT_presets, draw_models
from .queue import draw_work
from .sidebar import fits, in_both_sidebars, paragraph, width

BIG, WATCH = 1.8, 1.3  # relative to a button's usual height
NAMES = 0.32  # the labels' share of the width
ICON, SMALL = 14, 34  # pixels that a wide button's text has less than a label's, and pixels of the small button


class MOTIONCLONE_PT_sidebar:
    """What to clone, and the button that generates"""

    bl_label = "MotionClone"
    bl_order = 0

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        MOTIONCLONE_PT_presets.draw_panel_header(self.layout)

    def draw(self, context: bpy.types.Context) -> None:
        known = facts.of(form_scene(context))
        if install_runner.running():
            draw_installing(self.layout, context)
        elif known.steps:
            draw_first_run(self.layout, context, known)
        if problem := install_runner.problem() or job_runner.problem():
            draw_problem(self.layout, context, problem)
        if known.backend == READY:
            draw_form(self.layout, context, known)
            draw_generate(self.layout, context, known)
            draw_work(self.layout, context)
            _draw_watch(self.layout, context)
        elif known.problem:  # a wrong path in the preferences
            draw_obstacle(self.layout, context, known.problem)


def draw_form(layout: bpy.types.UILayout, context: bpy.types.Context, known: Facts) -> None:
    settings = form_scene(context).motionclone
    _draw_reference(_section(layout, "Reference"), settings)
    column = _section(layout, "Prompt")
    row = column.row(align=True)
    row.prop(settings, "prompt", text="", placeholder="What the clip shows")
    button(row, Operators.EDIT_PROMPT, text="")
    column.prop(settings, "negative_prompt", text="", placeholder="What to avoid")
    draw_words(layout, context, known.words)
    column = _section(layout, "Generation")
    draw_models(labeled(column, "Model"), context, less=round(NAMES * width(context)))
    labeled(column, "Quality").prop(settings, "quality", text="")
    column.prop(settings, "strength", slider=True)
    row = column.row(align=True)
    row.prop(settings, "seed")
    row.prop(settings, "seeds")


def draw_words(layout: bpy.types.UILayout, context: bpy.types.Context, words: PromptWords | None) -> None:
    """The prompt's length for its model, and words that the model does not know."""
    if words is None:
        return
    column = layout.column()
    column.active = column.alert = words.tokens > words.longest
    paragraph(column, context, count_of(words))
    if words.unknown:
        said = iface_("Words that this model does not know: {words}").format(words=", ".join(words.unknown))
        paragraph(layout.column(), context, said, icon="INFO")


def _draw_reference(column: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
    row = column.row(align=True)
    row.prop(settings, "source", text="")
    if settings.source == "CAMERA":
        row.prop(settings, "shots", text="")
        labeled(column, "Shading").prop(settings, "reference_shading", text="")
    elif settings.source == "FILE":
        column.prop(settings, "clip_file", text="", placeholder="A video or a folder of pictures")


def _section(layout: bpy.types.UILayout, title: str) -> bpy.types.UILayout:
    column = layout.column()
    column.label(text=title)
    return column.column(align=True)


def labeled(column: bpy.types.UILayout, title: str) -> bpy.types.UILayout:
    """A row that begins with a label."""
    row = column.split(factor=NAMES, align=True)
    row.label(text=title)
    return row


def draw_generate(layout: bpy.types.UILayout, context: bpy.types.Context, known: Facts) -> None:
    """The button, and below it what it will make, or what is still missing."""
    column = layout.column()
    row = column.row()
    row.scale_y = BIG
    row.enabled = bool(known.button) and job_runner.capture() is None
    less = ICON + (SMALL if known.cached else 0)
    short = known.button if known.button and fits(context, known.button, less) else ""
    button(row, Operators.GENERATE, text=short or iface_("Generate", "Operator"), translate=False)
    if known.cached:
        button(row, Operators.GENERATE, text="", icon="FILE_REFRESH").again = True
    if known.problem:
        draw_obstacle(column, context, known.problem)
    elif known.button:
        paragraph(column, context, known.detail if short else f"{known.button}: {known.detail}")
        for note in known.notes:
            paragraph(column, context, sentence(note), icon="INFO")
        if known.cached:
            said = iface_("The shot has not changed since it was captured. Its reference is used again.")
            paragraph(column, context, said)
        if known.remark:
            draw_obstacle(column, context, known.remark)
    if known.advice:
        paragraph(column, context, known.advice, icon="INFO")


def _draw_watch(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Draws the button near the top, so that a new clip is noticed."""
    if not job_runner.running() and (take := active_take(form_scene(context).motionclone)):
        row = layout.row()
        row.scale_y = WATCH
        watch_button(row, take)


register, unregister = bpy.utils.register_classes_factory(in_both_sidebars(MOTIONCLONE_PT_sidebar))
