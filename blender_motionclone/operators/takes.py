"""Watch a take, open its folder, remove it, or make another take: with the next seed, or with less memory."""

from __future__ import annotations

from dataclasses import replace

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ...backend.job_folder.declared import declarations
from ...backend.job_folder.problem import Problem, Sentence
from ...backend.job_folder.request import JobRequest, RequestError, read_request
from ...backend.job_folder.settings import Settings
from .. import reach
from ..capture.job import variant
from ..declarations import Operators
from ..form_scene import form_scene
from ..job_note import dismiss
from ..jobs import generation, job_runner, take_folders, takes
from ..jobs.job_files import check_job, delete_job, is_job
from ..preferences import jobs_folder
from ..properties import SEEDS, MotionCloneTake
from ..results import watching
from ..results.finished_job import read_finished_job
from ..translations import sentence
from .reporting import InWindow, handed_over, reporting_errors, wait_for


class Again:
    """Runs another job like the take's."""

    bl_options = {"UNDO"}  # not REGISTER: Adjust Last Operation would run it again, and Blender would wait for its jobs

    job: bpy.props.StringProperty(name="Job", description="The id of a take. Empty: the active one")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        with reporting_errors(self):
            self.report({"INFO"}, handed_over([self._hand_over(context)]))
            return {"FINISHED"}
        return {"CANCELLED"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """From a script: returns when the job has ended."""
        with reporting_errors(self):
            wait_for([self._hand_over(context)])
            return {"FINISHED"}
        return {"CANCELLED"}

    def _hand_over(self, context: bpy.types.Context) -> str:
        take = takes.take_of(form_scene(context), self.job)
        folder = take_folders.existing_folder(take)
        try:
            request = read_request(folder)
        except RequestError as error:
            raise Problem(error.text, "Generate the clip again.") from None
        check_job(folder)
        other = variant(folder, self.changed(context, take, request), jobs_folder(context))
        return generation.hand_over(context, form_scene(context), other)


class MOTIONCLONE_OT_take_retry(Again, bpy.types.Operator):
    """Make another take of the same motion and prompt with the next seed. This one is kept"""

    bl_idname = Operators.TAKE_RETRY
    bl_label = Operators.TAKE_RETRY.label

    seed: bpy.props.IntProperty(
        name="Seed",
        description="The seed to use. -1: the next seed that no take of this shot and prompt has",
        default=-1,
        min=-1,
    )

    def changed(self, context: bpy.types.Context, take: MotionCloneTake, request: JobRequest) -> JobRequest:
        seed = next_seed(form_scene(context), take) if self.seed < 0 else self.seed
        return replace(request, seed=seed)


class MOTIONCLONE_OT_take_less_memory(Again, bpy.types.Operator):
    """Make the same take with the setting Memory one step lower. It needs less GPU memory and more time"""

    bl_idname = Operators.TAKE_LESS_MEMORY
    bl_label = Operators.TAKE_LESS_MEMORY.label

    def changed(self, context: bpy.types.Context, take: MotionCloneTake, request: JobRequest) -> JobRequest:
        policies = [choice for choice in declarations(Settings)["memory"].choices if choice != "auto"]
        now = request.settings.get("memory")  # auto has tried all of them
        lower = policies[min(policies.index(now) + 1, len(policies) - 1)] if now in policies else policies[-1]
        return replace(request, settings=request.settings | {"memory": lower})


def next_seed(scene: bpy.types.Scene, take: MotionCloneTake) -> int:
    """One above the highest seed of the same shot and prompt. After the last possible seed comes 0."""
    what = _what(take)
    last = max(other.whole_seed for other in scene.motionclone.takes if _what(other) == what)
    return (last + 1) % SEEDS


def _what(take: MotionCloneTake) -> tuple[str, int, int, str]:
    return take.prompt, take.frame_start, take.frames, take.camera


class MOTIONCLONE_OT_take_remove(bpy.types.Operator):
    """Remove this take from the list. Its files are only deleted if you choose so"""

    bl_idname = Operators.TAKE_REMOVE
    bl_label = Operators.TAKE_REMOVE.label
    bl_options = {"REGISTER", "UNDO"}

    job: bpy.props.StringProperty(name="Job", description="The id of a take. Empty: the active one")
    delete_files: bpy.props.BoolProperty(
        name="Delete Its Files", description="Delete the job's folder with the clip. This cannot be undone"
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self.delete_files = False
        return context.window_manager.invoke_props_dialog(self, confirm_text=iface_("Remove", "Operator"))

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.prop(self, "delete_files")
        take = form_scene(context).motionclone.takes.get(self.job) or takes.take_of(form_scene(context), "")
        if self.delete_files and take.placed_in:
            self.layout.label(
                text=sentence(Sentence("{placed_in} will lose its clip.", placed_in=repr(take.placed_in))),
                icon="ERROR",
                translate=False,
            )

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            take = takes.take_of(form_scene(context), self.job)
            if take.name in job_runner.mine():
                raise Problem("This take is running or waiting.", "Cancel it first.")
            if self.delete_files:
                _delete_files(take)
            elif (folder := take_folders.in_jobs_folder(take)) and is_job(folder):
                dismiss(folder)  # only jobs in this folder are offered
            takes.remove_take(form_scene(context), take.name)
            return {"FINISHED"}
        return {"CANCELLED"}


def _delete_files(take: MotionCloneTake) -> None:
    """Deletes the take's files, wherever they are."""
    reach.choose(take.folder)
    if folder := take_folders.folder_of(take):
        delete_job(folder)


class MOTIONCLONE_OT_take_open_folder(bpy.types.Operator):
    """Open the folder with this take's clip, reference and log in the system's file browser"""

    bl_idname = Operators.TAKE_OPEN_FOLDER
    bl_label = Operators.TAKE_OPEN_FOLDER.label

    job: bpy.props.StringProperty(name="Job", description="The id of a take. Empty: the active one")

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            take = takes.take_of(form_scene(context), self.job)
            folder = take_folders.existing_folder(take)
            job_runner.sync_takes()  # one that was out of reach can be read from now on
            if "." in folder.name or not is_job(folder):  # a system may run a folder that is named like a program
                raise Problem("{folder} was not made by MotionClone, so it is not opened.", "Open it manually.").about(
                    folder=folder
                )
            try:
                bpy.ops.wm.path_open(filepath=str(folder))
            except (RuntimeError, OSError):
                raise Problem("The system could not open the folder {folder}.", "Open it manually.").about(
                    folder=folder
                ) from None
            return {"FINISHED"}
        return {"CANCELLED"}


class MOTIONCLONE_OT_watch(InWindow, bpy.types.Operator):
    """Play this take next to its reference"""

    bl_idname = Operators.WATCH
    bl_label = Operators.WATCH.label
    bl_options = {"UNDO"}

    job: bpy.props.StringProperty(name="Job", description="The id of a take. Empty: the active one")

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            take = takes.take_of(form_scene(context), self.job)
            folder = take_folders.existing_folder(take)
            job = read_finished_job(folder, take.frame_start)
            watching.watch(context, context.scene, job, folder / "reference")
            return {"FINISHED"}
        return {"CANCELLED"}


class MOTIONCLONE_OT_stop_watching(InWindow, bpy.types.Operator):
    """Close the area in which the take is playing"""

    bl_idname = Operators.STOP_WATCHING
    bl_label = Operators.STOP_WATCHING.label
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        watching.stop()
        return {"FINISHED"}


CLASSES = (
    MOTIONCLONE_OT_take_retry,
    MOTIONCLONE_OT_take_less_memory,
    MOTIONCLONE_OT_take_remove,
    MOTIONCLONE_OT_take_open_folder,
    MOTIONCLONE_OT_watch,
    MOTIONCLONE_OT_stop_watching,
)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
