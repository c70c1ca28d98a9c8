"""What is wrong: one or two sentences, and the button that fixes it."""

from __future__ import annotations

import bpy

from ..errors import UserError
from ..sentences import sentence
from ..setup.online import ALLOW_ONLINE
from .buttons import button, repair_button
from .text import BOX, paragraph

CLOSE = 24  # pixels of the button that takes it away


def draw_problem(layout: bpy.types.UILayout, context: bpy.types.Context, problem: UserError) -> None:
    """One that happened, until the user takes it away, or has done what it asked for."""
    if problem.repair == ALLOW_ONLINE and bpy.app.online_access:
        return
    box = layout.box()
    row = box.row()
    body = row.column()
    body.alert = True
    paragraph(body, context, sentence(problem.message), icon="ERROR", less=BOX + CLOSE)
    button(row, "dismiss_problem", text="", emboss=False)
    _draw_rest(box, context, problem, BOX)


def draw_obstacle(layout: bpy.types.UILayout, context: bpy.types.Context, problem: UserError) -> None:
    """What is still missing: no alarm."""
    column = layout.column()
    paragraph(column, context, sentence(problem.message), icon="INFO")
    _draw_rest(column, context, problem, 0)


def _draw_rest(layout: bpy.types.UILayout, context: bpy.types.Context, problem: UserError, less: int) -> None:
    if problem.hint:
        paragraph(layout, context, sentence(problem.hint), icon="BLANK1", less=less)
    if problem.repair:
        repair_button(layout, problem.repair)
