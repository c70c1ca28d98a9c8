"""Buttons of our operators, always with the same icon, and problems with the button that fixes them."""

from __future__ import annotations

import bpy

from ...backend.job_folder.problem import Problem
from ...backend.job_folder.state import DONE
from ..declarations import Operators
from ..preferences import ALLOW_ONLINE
from ..results import watching
from ..translations import sentence
from .sidebar import BOX, paragraph

# What a failed job can offer. Its folder or its worker may come from a stranger, so other operators are not offered.
REPAIRS = (
    *(Operators.GET_MODEL, Operators.INSTALL_BACKEND, Operators.OPEN_PREFERENCES, Operators.STORAGE_CLEAN),
    Operators.TAKE_LESS_MEMORY,
)
CLOSE = 24  # pixels of the dismiss button


def button(layout: bpy.types.UILayout, operator: Operators, **options) -> bpy.types.OperatorProperties:
    """Draws the operator's button with its own icon. options: as for UILayout.operator."""
    return layout.operator(operator, **({"icon": operator.icon} | options))


def repair_button(layout: bpy.types.UILayout, idname: str) -> None:
    """idname: the value of Problem.repair."""
    if idname == ALLOW_ONLINE:
        online_switch(layout)
    else:
        button(layout, Operators(idname))


def online_switch(layout: bpy.types.UILayout) -> None:
    """Blender's own setting, drawn where it is needed. Only the user enables it."""
    layout.prop(bpy.context.preferences.system, "use_online_access")


def watch_button(layout: bpy.types.UILayout, take: bpy.types.PropertyGroup) -> None:
    """Plays the take, or stops playing. Draws nothing for an unfinished take."""
    if watching.watched() == take.name:
        button(layout, Operators.STOP_WATCHING)
    elif take.state == DONE:
        button(layout, Operators.WATCH).job = take.name


def draw_problem(layout: bpy.types.UILayout, context: bpy.types.Context, problem: Problem) -> None:
    """An error, until the user dismisses it or has done what it asks for."""
    if problem.repair == ALLOW_ONLINE and bpy.app.online_access:
        return
    box = layout.box()
    row = box.row()
    body = row.column()
    body.alert = True
    paragraph(body, context, sentence(problem.message), icon="ERROR", less=BOX + CLOSE)
    button(row, Operators.DISMISS_PROBLEM, text="", emboss=False)
    _draw_rest(box, context, problem, BOX)


def draw_obstacle(layout: bpy.types.UILayout, context: bpy.types.Context, problem: Problem) -> None:
    """What is still missing, without an alert."""
    column = layout.column()
    paragraph(column, context, sentence(problem.message), icon="INFO")
    _draw_rest(column, context, problem, 0)


def _draw_rest(layout: bpy.types.UILayout, context: bpy.types.Context, problem: Problem, less: int) -> None:
    if problem.hint:
        paragraph(layout, context, sentence(problem.hint), icon="BLANK1", less=less)
    if problem.repair:
        repair_button(layout, problem.repair)
