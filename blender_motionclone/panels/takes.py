"""The list of takes; and of the active one its picture, its result, and what can be done with it."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ...backend.job_folder.state import CANCELLED, DONE, FAILED, QUEUED, RUNNING
from .. import thumbnails
from ..declarations import Operators
from ..form_scene import form_scene
from ..jobs import job_runner, take_states
from ..properties import NO_SCORE, PLACEMENTS, active_take
from ..translations import sentence
from .buttons import REPAIRS, button, repair_button, watch_button
from .menus import MOTIONCLONE_MT_place
from .queue import draw_left_over, picture_scale, take_title
from .sidebar import ICON, fitting, in_both_sidebars, paragraph

PICTURE = 6.0  # relative to a button's height: large enough to recognize, while the buttons below stay visible
FOLLOWS = 0.3  # from this score on, a take follows the motion
STATE_ICONS = {QUEUED: "TIME", RUNNING: "RENDER_ANIMATION", DONE: "CHECKMARK", FAILED: "ERROR", CANCELLED: "CANCEL"}
VIEW_CHANGED = "The scene's view transform is now Standard, to keep the clip's colors."
HARDLY = (
    "This take hardly follows the motion. Try more Motion Strength, a larger or faster subject, "
    "textured surfaces, or a shorter shot."
)
STATE_WORDS = {QUEUED: "Waiting", RUNNING: "Running", DONE: "Done", FAILED: "Failed", CANCELLED: "Cancelled"}


class MOTIONCLONE_UL_takes(bpy.types.UIList):
    """Each row shows a take's state, shot, seed, prompt, and motion score"""

    bl_idname = "MOTIONCLONE_UL_takes"

    def draw_item(self, context, layout, data, take, _icon, _active_data, _active_property, *_rest) -> None:
        row = layout.row(align=True)
        row.label(text=take_title(form_scene(context), take), translate=False, icon=take_icon(take))
        if take.score != NO_SCORE:
            part = row.row()
            part.alignment = "RIGHT"
            part.label(text=percent(take.score), translate=False)


class MOTIONCLONE_PT_takes:
    """The generated clips"""

    bl_label = "Takes"
    bl_order = 2

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, form_scene(context).motionclone
        draw_left_over(layout, context)
        if not settings.takes:
            paragraph(layout, context, iface_("The clips that you generate are listed here."))
            return
        layout.template_list(
            MOTIONCLONE_UL_takes.bl_idname, "", settings, "takes", settings, "take_index", rows=3, maxrows=8
        )
        take = active_take(settings)
        if take and (picture := thumbnails.icon(take.name)):
            layout.template_icon(icon_value=picture, scale=min(PICTURE, picture_scale(context)))
        if take:
            draw_take(layout, context, take)
        if settings.view_before:
            paragraph(layout, context, iface_(VIEW_CHANGED), icon="INFO")
            button(layout, Operators.RESTORE_VIEW)


def draw_take(layout: bpy.types.UILayout, context: bpy.types.Context, take: bpy.types.PropertyGroup) -> None:
    column = layout.column()
    paragraph(column, context, take.prompt)
    paragraph(column, context, summary(take), icon=take_icon(take))
    if hardly_follows(take):
        paragraph(column, context, iface_(HARDLY), icon="BLANK1")
    for note in take.shown_notes:
        paragraph(column, context, sentence(note), icon="INFO")
    _draw_message(column, context, take)
    if take.placed_in and (placement := next((row for row in PLACEMENTS if row[0] == take.placement), None)):
        where = fitting(context, f"{iface_(placement[1])}: {take.placed_in}", ICON)
        column.label(text=where, icon=placement[3], translate=False)
        if take.placement == "STRIP" and form_scene(context).camera:
            column.prop(form_scene(context).render, "use_sequencer", text="Render Strips")
    elif take.state == DONE and form_scene(context).motionclone.placement != "NONE":
        paragraph(column, context, iface_("Not in the scene yet. Press Place to place it."), icon="BLANK1")
    row = column.row(align=True)
    if take.state == DONE:
        watch_button(row, take)
        button(row, Operators.TAKE_PLACE, text="Place").job = take.name
        row.menu(MOTIONCLONE_MT_place.bl_idname, text="", icon="DOWNARROW_HLT")
    elif take.name in job_runner.mine() or take_states.can_be_asked(take):
        button(row, Operators.CANCEL).job = take.name
    elif take.state != RUNNING and not take_states.with_a_worker(take):
        button(row, Operators.RESUME).job = take.name
    row = column.row(align=True)
    button(row, Operators.TAKE_RETRY)
    button(row, Operators.TAKE_OPEN_FOLDER, text="")
    button(row, Operators.TAKE_REMOVE, text="")


def _draw_message(layout: bpy.types.UILayout, context: bpy.types.Context, take: bpy.types.PropertyGroup) -> None:
    """Why the job is not done, and the button that fixes it."""
    if take.message and take.state != DONE:
        paragraph(layout, context, " ".join(map(sentence, take.said)).strip(), icon="BLANK1")
        if take.state == FAILED and take.repair in REPAIRS:
            repair_button(layout, take.repair)


def summary(take: bpy.types.PropertyGroup) -> str:
    """For example "Done, frames 1-48, seed 3, follows the motion to 82 %"."""
    parts = [iface_(STATE_WORDS.get(take.state, take.state))]
    if take.frames:
        last = take.frame_start + take.frames - 1
        parts.append(iface_("frames {first}-{last}").format(first=take.frame_start, last=last))
    parts.append(iface_("seed {seed}").format(seed=take.whole_seed))
    if take.score != NO_SCORE:
        parts.append(iface_("follows the motion to {share}").format(share=percent(take.score)))
    return ", ".join(parts)


def hardly_follows(take: bpy.types.PropertyGroup) -> bool:
    """Whether it is done, but its motion differs."""
    return take.state == DONE and NO_SCORE < take.score < FOLLOWS


def take_icon(take: bpy.types.PropertyGroup) -> str:
    """The icon of its state, without a check mark if it does not follow the motion."""
    return "INFO" if hardly_follows(take) else STATE_ICONS.get(take.state, "QUESTION")


def percent(score: float) -> str:
    """A motion score is in [-1, 1]. Below 0 means the same as 0."""
    return f"{max(0.0, score):.0%}"


register, unregister = bpy.utils.register_classes_factory(
    (MOTIONCLONE_UL_takes, *in_both_sidebars(MOTIONCLONE_PT_takes))
)
