"""Takes that wait for the one that runs, and those that an earlier session left."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ..form_scene import form_scene
from ..jobs import job_runner, take_states, takes
from ..wrapping import shown_line
from .buttons import button
from .problem import CLOSE
from .spaces import in_both_sidebars
from .text import BOX, fitting, paragraph

BUTTONS = 64  # pixels of those beside a job


class MOTIONCLONE_PT_queue:
    """The takes that wait"""

    bl_label = "Queue"
    bl_order = 1

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(job_runner.waiting())

    def draw(self, context: bpy.types.Context) -> None:
        waiting = job_runner.waiting()
        listed = form_scene(context).motionclone.takes
        column = self.layout.column(align=True)
        for place, job in enumerate(waiting):
            row = column.row(align=True)
            title = take_title(form_scene(context), take) if (take := listed.get(job)) else job
            row.label(text=fitting(context, title, BUTTONS), translate=False)
            _move(row, job, place - 1, "TRIA_UP", place > 0)
            _move(row, job, place + 1, "TRIA_DOWN", place + 1 < len(waiting))
            button(row, "cancel", text="", icon="X").job = job


def take_title(scene: bpy.types.Scene, take: bpy.types.PropertyGroup) -> str:
    """ "Close-up  3  a red ball"."""
    return shown_line(f"{shot_name(scene, take)}  {take.whole_seed}  {take.prompt}")


def shot_name(scene: bpy.types.Scene, take: bpy.types.PropertyGroup) -> str:
    """What the camera marker is called with which the shot begins, else its frames, as "1-48"."""
    begins = (mark.name for mark in scene.timeline_markers if mark.camera and mark.frame == take.frame_start)
    return shown_line(next(begins, f"{take.frame_start}-{take.frame_start + take.frames - 1}"))


def _move(row: bpy.types.UILayout, job: str, place: int, icon: str, possible: bool) -> None:
    part = row.row(align=True)
    part.enabled = possible
    move = button(part, "queue_move", text="", icon=icon)
    move.job, move.place = job, max(0, place)


def draw_left_over(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Takes of this file that it does not list yet, and those that never came to their end."""
    if elsewhere := job_runner.elsewhere(form_scene(context)):
        box = layout.box()
        text = iface_("Takes that a worker still makes: {count}").format(count=len(elsewhere))
        paragraph(box, context, text, icon="RENDER_ANIMATION", less=BOX)
        if all(map(take_states.was_asked, elsewhere)):
            paragraph(box, context, iface_("It was asked to stop."), icon="BLANK1", less=BOX)
        else:
            button(box, "cancel", text="Cancel All").elsewhere = True
    finished, unfinished = takes.finished_elsewhere(form_scene(context)), takes.unfinished(form_scene(context))
    if finished:
        box = layout.box()
        text = iface_("Takes finished meanwhile: {count}").format(count=len(finished))
        _draw_offer(box, context, text, done=True)
        button(box, "adopt")
    lost = job_runner.lost()
    if unfinished or len(lost) > 1:  # a single lost one is the active take, which offers it itself
        box = layout.box()
        text = iface_("Takes not finished: {count}").format(count=len(unfinished) + len(lost))
        _draw_offer(box, context, text, done=False)
        button(box, "resume")


def _draw_offer(box: bpy.types.UILayout, context: bpy.types.Context, text: str, done: bool) -> None:
    row = box.row()
    paragraph(row.column(), context, text, icon="INFO", less=BOX + CLOSE)
    button(row, "dismiss_offers", text="", emboss=False).done = done


register, unregister = bpy.utils.register_classes_factory(in_both_sidebars(MOTIONCLONE_PT_queue))
