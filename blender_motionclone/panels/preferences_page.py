"""Preferences > Add-ons > MotionClone: the backend with its buttons, models, folders, and the worker."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import facts
from ..declarations import Operators
from ..form_scene import form_scene
from ..jobs import job_runner
from ..preferences import (
    FINISH_RUNNING,
    ROOT_PACKAGE,
    WHEN_CLOSING,
    default_backend_folder,
    default_jobs_folder,
    may_be_allowed,
    path_problem,
)
from ..setup import install_runner, storage
from ..setup.first_run import needs, size_and_time
from ..setup.installer import MB
from ..setup.interpreter import MISSING, READY, UNFINISHED
from ..translations import sentence
from .buttons import button, draw_obstacle, draw_problem, online_switch
from .details import worker_text
from .first_run import draw_installing
from .sidebar import BOX, paragraph

BACKEND_WORDS = {
    READY: "The backend is installed",
    UNFINISHED: "The backend's installation was interrupted",
    MISSING: "The backend is not installed",
    "": "Searching for the backend",
}
FINDING_ICONS = {"ok": "CHECKMARK", "warning": "INFO", "problem": "ERROR"}
FIX = 0.2  # share of the width for the buttons beside findings
OFFLINE = "INTERNET_OFFLINE"
GB = 1000 * MB
MODEL_BUTTONS = {"absent": "Download", "unfinished": "Continue", "damaged": "Fix"}


def draw_page(layout: bpy.types.UILayout, context: bpy.types.Context, preferences: bpy.types.AddonPreferences) -> None:
    if problem := path_problem(context):
        draw_obstacle(layout, context, problem)
        _draw_settings(layout, context, preferences)
        return
    known = facts.of(form_scene(context))
    _draw_backend(layout.box(), context, known.backend)
    if problem := install_runner.problem() or job_runner.problem():
        draw_problem(layout, context, problem)
    elif not bpy.app.online_access:
        box = layout.box()
        paragraph(box, context, iface_("Blender is offline: nothing can be downloaded."), icon=OFFLINE)
        if may_be_allowed():
            online_switch(box)
    _draw_models(layout, context, known.backend, preferences)
    _draw_storage(layout, known.backend)
    _draw_settings(layout, context, preferences)


def _draw_backend(box: bpy.types.UILayout, context: bpy.types.Context, state: str) -> None:
    box.label(text=BACKEND_WORDS[state], icon="CHECKMARK" if state == READY else "INFO")
    if install_runner.running():
        draw_installing(box, context)
        if plan := install_runner.reported().plan:
            paragraph(box, context, sentence(plan.text), icon="BLANK1")
    elif state != READY:
        paragraph(box, context, size_and_time(install_runner.plan(), iface_), icon="BLANK1")
    row = box.row(align=True)
    if state == READY:
        button(row, Operators.INSTALL_BACKEND, text="Update or Repair").repair = True
    else:
        button(row, Operators.INSTALL_BACKEND, text="Continue" if state == UNFINISHED else "Install Backend")
    button(row, Operators.DOCTOR)
    if state != MISSING:
        button(row, Operators.REMOVE_BACKEND)
    if state == READY:
        _draw_worker(box, context)
    _draw_findings(box, context)


def _draw_worker(box: bpy.types.UILayout, context: bpy.types.Context) -> None:
    worker = job_runner.worker()
    row = box.row()
    row.label(text=worker_text(worker), icon="SYSTEM", translate=False)
    button(row, Operators.STOP_WORKER if worker.state in ("starting", "ready") else Operators.START_WORKER)
    if worker.message:
        paragraph(box, context, f"{sentence(worker.message)} {sentence(worker.hint)}", icon="ERROR")


def _draw_findings(box: bpy.types.UILayout, context: bpy.types.Context) -> None:
    findings = install_runner.findings()
    if findings is None:
        return
    healthy = all(finding["level"] != "problem" for finding in findings)
    box.label(text="The doctor found no problems" if healthy else "The doctor found problems")
    beside = FIX if any(finding["fix"] for finding in findings) else 0.0
    for number, finding in enumerate(findings):
        row = box.split(factor=1.0 - beside)
        text = f"{sentence(finding['text'])} {sentence(finding['hint'])}"
        paragraph(row, context, text, icon=FINDING_ICONS[finding["level"]], less=BOX, share=1.0 - beside)
        if finding["fix"]:
            button(row, Operators.FIX).finding = number
    button(box, Operators.COPY_REPORT)


def _draw_models(
    layout: bpy.types.UILayout, context: bpy.types.Context, state: str, preferences: bpy.types.AddonPreferences
) -> None:
    """The models of the catalog."""
    models = install_runner.models()
    header, body = layout.panel_prop(preferences, "models_shown")
    header.label(text="Models")
    if body is None:
        return
    if models is None:
        button(body, Operators.GET_MODEL, text="Show Models")
    for row in models or ():
        _draw_model(body.box(), context, row, state)


def _draw_model(box: bpy.types.UILayout, context: bpy.types.Context, model: dict, state: str) -> None:
    row = box.row()
    installed = model["state"] == "installed"
    row.label(text=model["title"], icon="CHECKMARK" if installed else "BLANK1", translate=False)
    part = row.row()
    part.enabled = state == READY
    if installed:
        button(part, Operators.MODEL_REMOVE).model = model["name"]
    else:
        button(part, Operators.MODEL_GET, text=MODEL_BUTTONS.get(model["state"], "Download")).model = model["name"]
    paragraph(box, context, iface_(model["about"]), icon="BLANK1")
    paragraph(box, context, needs(model, iface_), icon="BLANK1")
    paragraph(box, context, iface_("License: {terms}").format(terms=sentence(model["terms"])), icon="BLANK1")


def _draw_storage(layout: bpy.types.UILayout, state: str) -> None:
    """Disk usage, once it was measured."""
    column = layout.box().column(align=True)
    row = column.row()
    row.label(text="Storage", icon="DISK_DRIVE")
    row.enabled = state == READY
    if storage.asking():
        row.label(text="Measuring...")
    button(row, Operators.STORAGE_MEASURE, icon="NONE")
    rooms = storage.rooms()
    if rooms is None:
        return
    for room in rooms:
        line = column.split(factor=0.5)
        line.label(text=storage.TITLES[room.name], icon="BLANK1")
        line.label(text=_size(room.bytes), translate=False)
    freed = sum(room.removable for room in rooms)
    row = column.row()
    row.enabled = state == READY and freed > 0
    button(row, Operators.STORAGE_CLEAN, text=iface_("Clean Up: {size}").format(size=_size(freed)), translate=False)


def _size(count: int) -> str:
    return f"{count / GB:,.2f} GB" if count >= GB else f"{count / MB:,.1f} MB"


def _draw_settings(
    layout: bpy.types.UILayout, context: bpy.types.Context, preferences: bpy.types.AddonPreferences
) -> None:
    """Empty fields show their default in gray."""
    column = layout.column()
    column.use_property_split = True
    column.prop(preferences, "jobs_folder", placeholder=str(default_jobs_folder()))
    column.prop(preferences, "backend_folder", placeholder=str(default_backend_folder()))
    column.prop(preferences, "backend_python", placeholder="Installed Python")
    column.prop(preferences, "wheels_folder", placeholder="None: packages are downloaded")
    column.prop(preferences, "worker_command", placeholder="The backend on this machine")
    row = column.row()
    row.enabled = bool(preferences.worker_command.strip())
    row.prop(preferences, "worker_is_remote")
    column.prop(preferences, "when_closing")
    column.prop(preferences, "first_run_hidden")


class MotionClonePreferences(bpy.types.AddonPreferences):
    bl_idname = ROOT_PACKAGE

    backend_folder: bpy.props.StringProperty(
        name="Backend Folder",
        description="The folder where the backend is installed. Empty: your folder for application data",
        subtype="DIR_PATH",
    )
    backend_python: bpy.props.StringProperty(
        name="Backend Python",
        description="The Python that runs the backend, if it was not installed from here. Empty: the installed one",
        subtype="FILE_PATH",
    )
    wheels_folder: bpy.props.StringProperty(
        name="Offline Packages",
        description="A folder filled by the installer's command `wheels`. The backend is then installed from it "
        "without internet",
        subtype="DIR_PATH",
    )
    jobs_folder: bpy.props.StringProperty(
        name="Jobs Folder",
        description="The folder where jobs and their results are stored. Empty: your folder for application data",
        subtype="DIR_PATH",
    )
    worker_command: bpy.props.StringProperty(
        name="Worker Command",
        description="The command that starts the worker on another machine, for example: ssh render 'cd "
        "motionclone; python -m backend serve'. Empty: the backend on this machine",
    )
    worker_is_remote: bpy.props.BoolProperty(
        name="Send Files",
        description="Send jobs to the worker and download the results, because it cannot access this machine's folders",
        default=True,
    )
    when_closing: bpy.props.EnumProperty(
        name="When Blender Closes",
        description="What happens to running and waiting takes. Open the file again to add them or to run the rest",
        items=WHEN_CLOSING,
        default=FINISH_RUNNING,
    )

    first_run_hidden: bpy.props.BoolProperty(
        name="Hide First Steps", description="Hide the steps to the first clip in the sidebar"
    )
    models_shown: bpy.props.BoolProperty(name="Models", description="Show the available models")

    def draw(self, context: bpy.types.Context) -> None:
        draw_page(self.layout, context, self)


CLASSES = (MotionClonePreferences,)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
