"""The capture, the running job with its preview, the takes that wait, and those that an earlier session left."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ...backend.job_folder.state import JobState
from .. import thumbnails
from ..declarations import Operators
from ..form_scene import form_scene
from ..jobs import job_runner, take_states, takes
from ..preferences import FINISH_ALL, ROOT_PACKAGE, STOP, when_closing
from ..wrapping import shown_line
from .buttons import CLOSE, button
from .sidebar import BOX, fitting, in_both_sidebars, paragraph, width

UNIT = 20  # pixels of a button's height at a scale of 1
STAGES = {
    "starting": "Starting",
    "reading": "Reading the job",
    "loading": "Loading the model",
    "encoding": "Reading the reference",
    "motion": "Reading the motion",
    "sampling": "Generating the clip",
    "decoding": "Decoding the frames",
    "in-betweening": "Interpolating frames",
    "writing": "Writing the clip",
    "finishing": "Finishing",
    "cancelling": "Stopping",
    "sending": "Sending the files",
    "fetching": "Downloading the clip",
}
BUTTONS = 64  # pixels of the buttons beside a job


def draw_work(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    captured, job = job_runner.capture(), job_runner.running()
    if captured:
        done, of = captured
        box = layout.box()
        paragraph(
            box, context, iface_("Capturing the reference, frame {done} of {of}").format(done=done, of=of), less=BOX
        )
        box.progress(factor=done / max(1, of), text="")
        paragraph(box, context, iface_("Press Esc to stop"), less=BOX)
    elif job:
        _draw_job(layout.box(), context, job)


def _draw_job(box: bpy.types.UILayout, context: bpy.types.Context, job: str) -> None:
    state = job_runner.state(job)
    paragraph(box, context, stage_text(state), less=BOX)
    box.progress(factor=state.progress, text=left_text(state))
    button(box, Operators.CANCEL).job = job  # above the picture, so that it is visible without scrolling
    if picture := thumbnails.icon(thumbnails.PREVIEW):
        box.template_icon(icon_value=picture, scale=picture_scale(context))
    _draw_closing(box, context)


def _draw_closing(box: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Tells early what happens to takes when Blender closes, because an add-on cannot ask while Blender quits."""
    paragraph(box, context, closing_text(when_closing(context), len(job_runner.waiting())), less=BOX)
    if addon := context.preferences.addons.get(ROOT_PACKAGE):
        box.prop(addon.preferences, "when_closing", text="")


def closing_text(choice: str, waiting: int) -> str:
    """choice: an identifier of WHEN_CLOSING; waiting: how many takes wait behind the running one."""
    if choice == STOP:
        return iface_("If you close Blender, the worker stops. Reopen the file to continue.")
    if not waiting:
        return iface_("If you close Blender, this take will still finish.")
    if choice == FINISH_ALL:
        return iface_("If you close Blender, all {count} takes will still finish.").format(count=waiting + 1)
    return iface_(
        "If you close Blender, this take will still finish. Takes kept until you reopen the file: {count}"
    ).format(count=waiting)


def stage_text(state: JobState) -> str:
    """For example "Making the clip, step 3 of 24"."""
    name = iface_(STAGES.get(state.stage, state.stage.capitalize() or "Waiting"))
    if not state.steps:
        return name
    return iface_("{stage}, step {step} of {steps}").format(stage=name, step=state.step, steps=state.steps)


def left_text(state: JobState) -> str:
    """The text in the progress bar, such as "12 s left"; empty while it is unknown."""
    if state.eta is None:
        return ""
    if state.eta < 100:
        return iface_("{seconds} s left").format(seconds=round(state.eta))
    return iface_("{minutes} min left").format(minutes=round(state.eta / 60))


def picture_scale(context: bpy.types.Context) -> float:
    """The scale for `template_icon` at which a picture in a box is as wide as the sidebar allows."""
    unit = UNIT * (context.preferences.system.ui_scale or 1.0)
    return min(14.0, max(3.0, width(context, BOX) / unit))


class MOTIONCLONE_PT_queue:
    """The waiting takes"""

    bl_label = "Queue"
    bl_order = 1

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(job_runner.waiting())

    def draw(self, context: bpy.types.Context) -> None:
        waiting = job_runner.waiting()
        listed = form_scene(context).motionclone.takes
        column = self.layout.column(align=True)
        for position, job in enumerate(waiting):
            row = column.row(align=True)
            title = take_title(form_scene(context), take) if (take := listed.get(job)) else job
            row.label(text=fitting(context, title, BUTTONS), translate=False)
            _move(row, job, position - 1, "TRIA_UP", position > 0)
            _move(row, job, position + 1, "TRIA_DOWN", position + 1 < len(waiting))
            button(row, Operators.CANCEL, text="", icon="X").job = job


def take_title(scene: bpy.types.Scene, take: bpy.types.PropertyGroup) -> str:
    """For example "Close-up  3  a red ball"."""
    return shown_line(f"{shot_name(scene, take)}  {take.whole_seed}  {take.prompt}")


def shot_name(scene: bpy.types.Scene, take: bpy.types.PropertyGroup) -> str:
    """The name of the camera marker at which the shot begins, or its frames, such as "1-48"."""
    begins = (mark.name for mark in scene.timeline_markers if mark.camera and mark.frame == take.frame_start)
    return shown_line(next(begins, f"{take.frame_start}-{take.frame_start + take.frames - 1}"))


def _move(row: bpy.types.UILayout, job: str, position: int, icon: str, possible: bool) -> None:
    part = row.row(align=True)
    part.enabled = possible
    move = button(part, Operators.QUEUE_MOVE, text="", icon=icon)
    move.job, move.position = job, max(0, position)


def draw_left_over(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Takes of this file that are not listed yet, and unfinished ones."""
    if elsewhere := job_runner.elsewhere(form_scene(context)):
        box = layout.box()
        text = iface_("Takes still running in the background: {count}").format(count=len(elsewhere))
        paragraph(box, context, text, icon="RENDER_ANIMATION", less=BOX)
        if all(map(take_states.was_asked, elsewhere)):
            paragraph(box, context, iface_("They are being stopped."), icon="BLANK1", less=BOX)
        else:
            button(box, Operators.CANCEL, text="Cancel All").elsewhere = True
    finished, unfinished = takes.finished_elsewhere(form_scene(context)), takes.unfinished(form_scene(context))
    if finished:
        box = layout.box()
        text = iface_("Takes finished in the background: {count}").format(count=len(finished))
        _draw_offer(box, context, text, done=True)
        button(box, Operators.ADOPT)
    lost = job_runner.lost()
    if unfinished or len(lost) > 1:  # a single lost one is the active take, which offers it itself
        box = layout.box()
        text = iface_("Unfinished takes: {count}").format(count=len(unfinished) + len(lost))
        _draw_offer(box, context, text, done=False)
        button(box, Operators.RESUME)


def _draw_offer(box: bpy.types.UILayout, context: bpy.types.Context, text: str, done: bool) -> None:
    row = box.row()
    paragraph(row.column(), context, text, icon="INFO", less=BOX + CLOSE)
    button(row, Operators.DISMISS_OFFERS, text="", emboss=False).done = done


CLASSES = (*in_both_sidebars(MOTIONCLONE_PT_queue),)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
