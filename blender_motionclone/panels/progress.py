"""How the work comes along: the capture, then the running job with its preview, and a way to stop them."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ...backend.job_folder.state import JobState
from .. import thumbnails
from ..jobs import job_runner
from ..preferences import FINISH_ALL, ROOT_PACKAGE, STOP, when_closing
from .buttons import button
from .text import BOX, paragraph, width

UNIT = 20  # pixels of a button's height at a scale of 1
STAGES = {
    "starting": "Starting",
    "reading": "Reading the job",
    "loading": "Loading the model",
    "encoding": "Reading the reference",
    "motion": "Finding the motion",
    "sampling": "Making the clip",
    "decoding": "Making the pictures",
    "in-betweening": "Making the frames between",
    "writing": "Writing the clip",
    "finishing": "Finishing",
    "cancelling": "Stopping",
    "sending": "Sending the files",
    "fetching": "Fetching the clip",
}


def draw_work(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    captured, job = job_runner.capture(), job_runner.running()
    if captured:
        done, of = captured
        box = layout.box()
        paragraph(
            box, context, iface_("Filming the reference, frame {done} of {of}").format(done=done, of=of), less=BOX
        )
        box.progress(factor=done / max(1, of), text="")
        paragraph(box, context, iface_("Esc stops it"), less=BOX)
    elif job:
        _draw_job(layout.box(), context, job)


def _draw_job(box: bpy.types.UILayout, context: bpy.types.Context, job: str) -> None:
    state = job_runner.state(job)
    paragraph(box, context, stage_text(state), less=BOX)
    box.progress(factor=state.progress, text=left_text(state))
    button(box, "cancel").job = job  # above the picture: in sight without scrolling
    if picture := thumbnails.icon(thumbnails.PREVIEW):
        box.template_icon(icon_value=picture, scale=picture_scale(context))
    _draw_closing(box, context)


def _draw_closing(box: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """What becomes of the takes when Blender closes, said in time: Blender lets no add-on ask while it quits."""
    paragraph(box, context, closing_text(when_closing(context), len(job_runner.waiting())), less=BOX)
    if addon := context.preferences.addons.get(ROOT_PACKAGE):
        box.prop(addon.preferences, "when_closing", text="")


def closing_text(choice: str, waiting: int) -> str:
    """choice: an identifier of WHEN_CLOSING; waiting: how many takes wait behind the running one."""
    if choice == STOP:
        return iface_("If you close Blender, the work stops. Reopen the file to continue.")
    if not waiting:
        return iface_("If you close Blender, this take is still finished.")
    if choice == FINISH_ALL:
        return iface_("If you close Blender, all {count} takes are still finished.").format(count=waiting + 1)
    return iface_(
        "If you close Blender, this take is still finished. Takes kept until you reopen the file: {count}"
    ).format(count=waiting)


def stage_text(state: JobState) -> str:
    """ "Making the clip, step 3 of 24"."""
    name = iface_(STAGES.get(state.stage, state.stage.capitalize() or "Waiting"))
    if not state.steps:
        return name
    return iface_("{stage}, step {step} of {steps}").format(stage=name, step=state.step, steps=state.steps)


def left_text(state: JobState) -> str:
    """Within the bar: "12 s left"; empty while that is not known."""
    if state.eta is None:
        return ""
    if state.eta < 100:
        return iface_("{seconds} s left").format(seconds=round(state.eta))
    return iface_("{minutes} min left").format(minutes=round(state.eta / 60))


def picture_scale(context: bpy.types.Context) -> float:
    """For `template_icon`, so that a picture in a box is as wide as the sidebar lets it be."""
    unit = UNIT * (context.preferences.system.ui_scale or 1.0)
    return min(14.0, max(3.0, width(context, BOX) / unit))
