"""The takes there are: a list, and of the chosen one its picture, what became of it, and what can be done with it."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ...backend.wire.job_state import CANCELLED, DONE, FAILED, QUEUED, RUNNING
from .. import thumbnails
from ..jobs import job_runner, take_states
from ..properties import NO_SCORE, PLACES
from ..sentences import sentence
from .buttons import button
from .menus import MOTIONCLONE_MT_place
from .progress import picture_scale
from .queue import are_of_several_shots, draw_left_over, take_title
from .spaces import in_both_sidebars
from .text import ICON, fitting, paragraph

STATE_ICONS = {QUEUED: "TIME", RUNNING: "RENDER_ANIMATION", DONE: "CHECKMARK", FAILED: "ERROR", CANCELLED: "CANCEL"}
VIEW_CHANGED = "The scene's view is Standard now, to keep the clip's colours."
STATE_WORDS = {QUEUED: "Waiting", RUNNING: "Being made", DONE: "Done", FAILED: "Failed", CANCELLED: "Cancelled"}


class MOTIONCLONE_UL_takes(bpy.types.UIList):
    """A take a row: its picture or how it stands, of which shot it is if there are several, what was asked for, and how
    well its motion follows"""

    bl_idname = "MOTIONCLONE_UL_takes"

    def draw_item(self, _context, layout, data, take, _icon, _active_data, _active_property, *_rest) -> None:
        row = layout.row(align=True)
        picture = thumbnails.icon(take.name, small=True)
        shown = {"icon_value": picture} if picture else {"icon": STATE_ICONS.get(take.state, "QUESTION")}
        row.label(text=take_title(take, are_of_several_shots(data.takes)), translate=False, **shown)
        if take.score != NO_SCORE:
            part = row.row()
            part.alignment = "RIGHT"
            part.label(text=percent(take.score), translate=False)


class MOTIONCLONE_PT_takes:
    """The clips that were made"""

    bl_label = "Takes"
    bl_order = 2

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.motionclone
        draw_left_over(layout, context)
        if not settings.takes:
            paragraph(layout, context, iface_("The clips that you generate are listed here."))
            return
        layout.template_list(
            MOTIONCLONE_UL_takes.bl_idname, "", settings, "takes", settings, "take_index", rows=3, maxrows=8
        )
        take = settings.takes[settings.take_index] if 0 <= settings.take_index < len(settings.takes) else None
        if take:
            draw_take(layout, context, take)
        if settings.view_before:
            paragraph(layout, context, iface_(VIEW_CHANGED), icon="INFO")
            button(layout, "restore_view")
        if take and (picture := thumbnails.icon(take.name)):  # beneath the buttons, to be in sight without scrolling
            layout.template_icon(icon_value=picture, scale=picture_scale(context))


def draw_take(layout: bpy.types.UILayout, context: bpy.types.Context, take: bpy.types.PropertyGroup) -> None:
    column = layout.column()
    paragraph(column, context, take.prompt)
    paragraph(column, context, summary(take), icon=STATE_ICONS.get(take.state, "QUESTION"))
    if take.message and take.state != DONE:
        paragraph(column, context, f"{sentence(take.message)} {sentence(take.hint)}".strip(), icon="BLANK1")
    if take.placed_in and (place := next((place for place in PLACES if place[0] == take.place), None)):
        where = fitting(context, f"{iface_(place[1])}: {take.placed_in}", ICON)
        column.label(text=where, icon=place[3], translate=False)
    row = column.row(align=True)
    if take.state == DONE:
        button(row, "take_place", text="Use").job = take.name
        row.menu(MOTIONCLONE_MT_place.bl_idname, text="", icon="DOWNARROW_HLT")
    elif take.name in job_runner.mine():
        button(row, "cancel").job = take.name
    elif take.state != RUNNING and not take_states.with_a_worker(take):
        button(row, "resume").job = take.name
    row = column.row(align=True)
    button(row, "take_retry")
    button(row, "take_open_folder", text="")
    button(row, "take_remove", text="")


def summary(take: bpy.types.PropertyGroup) -> str:
    """ "Done, frames 1-48, seed 3, motion 82 %"."""
    parts = [iface_(STATE_WORDS.get(take.state, take.state))]
    if take.frames:
        last = take.frame_start + take.frames - 1
        parts.append(iface_("frames {first}-{last}").format(first=take.frame_start, last=last))
    parts.append(iface_("seed {seed}").format(seed=take.whole_seed))
    if take.score != NO_SCORE:
        parts.append(iface_("follows the motion to {share}").format(share=percent(take.score)))
    return ", ".join(parts)


def percent(score: float) -> str:
    """A motion score lies in [-1, 1]; one below 0 follows as little as one of 0."""
    return f"{max(0.0, score):.0%}"


register, unregister = bpy.utils.register_classes_factory(
    (MOTIONCLONE_UL_takes, *in_both_sidebars(MOTIONCLONE_PT_takes))
)
