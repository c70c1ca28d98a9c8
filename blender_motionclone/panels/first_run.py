"""The steps to the first clip, and a running installation."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ..declarations import Operators
from ..facts import Facts
from ..preferences import ALLOW_ONLINE, may_be_allowed
from ..setup import install_runner
from ..setup.first_run import Step
from ..setup.installer import Report
from .buttons import button, online_switch
from .sidebar import BOX, paragraph

STAGES = {
    "python": "Preparing",
    "download": "Downloading",
    "unpack": "Unpacking",
    "check": "Testing with a short clip",
    "verify": "Verifying files",
    "search": "Searching for files of other programs",
    "ask": "Checking what to download",
}


def draw_first_run(layout: bpy.types.UILayout, context: bpy.types.Context, known: Facts) -> None:
    """Three steps. The current one has a description and a large button; later ones only their names."""
    box = layout.box()
    row = box.row()
    row.label(text="First Steps", icon="INFO")
    button(row, Operators.HIDE_FIRST_RUN, text="", emboss=False)
    for number, step in enumerate(known.steps, 1):
        _draw_step(box, context, number, step)


def _draw_step(box: bpy.types.UILayout, context: bpy.types.Context, number: int, step: Step) -> None:
    title = f"{number}. {step.title}"
    if step.done:
        box.label(text=title, icon="CHECKMARK", translate=False)
    elif not step.possible:
        row = box.row()
        row.active = False
        row.label(text=title, icon="BLANK1", translate=False)
    else:
        column = box.column()
        problem = install_runner.problem()
        if (
            step.operator is Operators.INSTALL_BACKEND
            and may_be_allowed()
            and (problem is None or problem.repair != ALLOW_ONLINE)
        ):
            online_switch(column)
        row = column.row()
        row.scale_y = 1.5 if step.next else 1.0
        button(row, step.operator, text=title, translate=False)
        paragraph(column, context, step.text, less=BOX)


def draw_installing(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """What the installer is doing, its progress, and a button to stop it."""
    reported, box = install_runner.reported(), layout.box()
    paragraph(box, context, iface_(install_runner.running() or ""), icon="IMPORT", less=BOX)
    paragraph(box, context, doing(reported), less=BOX)
    box.progress(factor=reported.factor or 0.0, text="" if reported.factor is None else f"{reported.factor:.0%}")
    button(box, Operators.CANCEL_INSTALL)
    paragraph(box, context, iface_("You can continue to use Blender."), less=BOX)


def doing(reported: Report) -> str:
    """For example "Downloading, 12 of 402 MB"."""
    text = iface_(STAGES[reported.stage]) if reported.stage in STAGES else reported.text
    if not reported.megabytes:
        return text
    done, of = reported.megabytes
    return iface_("{stage}, {done} of {of} MB").format(stage=text, done=done, of=of)
