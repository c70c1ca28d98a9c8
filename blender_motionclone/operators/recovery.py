"""Runs unfinished jobs again, and adds or dismisses jobs that an earlier session left."""

from __future__ import annotations

import os
from pathlib import Path

import bpy

from ...backend.job_folder.problem import Problem, Sentence
from ...backend.job_folder.state import DONE
from ..declarations import Operators
from ..form_scene import form_scene
from ..job_note import dismiss
from ..jobs import generation, job_runner, take_folders, take_states, takes
from ..jobs.job_files import check_job
from ..translations import sentence
from .reporting import each_by_itself, handed_over, reporting_errors, wait_for


class MOTIONCLONE_OT_resume(bpy.types.Operator):
    """Run the unfinished take again with the same seed. If possible, it continues from where it stopped"""

    bl_idname = Operators.RESUME
    bl_label = Operators.RESUME.label
    bl_options = {"UNDO"}  # not REGISTER: Adjust Last Operation would run it again, and Blender would wait for its jobs

    job: bpy.props.StringProperty(
        name="Job",
        description="The id of a take. Empty: all unfinished takes of this scene, and those lost with their worker",
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        with reporting_errors(self):
            self.report({"INFO"}, handed_over(self._hand_over(context)))
            return {"FINISHED"}
        return {"CANCELLED"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """From a script: returns when the jobs have ended."""
        with reporting_errors(self):
            wait_for(self._hand_over(context))
            return {"FINISHED"}
        return {"CANCELLED"}

    def _hand_over(self, context: bpy.types.Context) -> list[str]:
        folders = [self._chosen(form_scene(context))] if self.job else self._left(form_scene(context))
        if not folders:
            raise Problem("There is no unfinished take.", "Choose a take to run again.")
        job_runner.clear_problem()
        with each_by_itself() as alone:
            jobs: list[str] = []
            for folder in folders:
                with alone():
                    check_job(folder)
                    jobs.append(generation.hand_over_again(context, folder))
        return jobs

    def _chosen(self, scene: bpy.types.Scene) -> Path:
        take = takes.take_of(scene, self.job)
        folder = take_folders.existing_folder(take)
        if take.name not in job_runner.mine():
            take_states.look_at(take)  # the .blend may be out of date
        if take.state == DONE:
            raise Problem("This take is already done.", "Press New Seed to make another one.")
        return folder

    def _left(self, scene: bpy.types.Scene) -> list[Path]:
        takes.search_all()
        left = {folder.name: folder for folder in takes.unfinished(scene)}
        return [*(left | {job: job_runner.folder(job) for job in job_runner.lost()}).values()]


class MOTIONCLONE_OT_adopt(bpy.types.Operator):
    bl_idname = Operators.ADOPT
    bl_label = Operators.ADOPT.label
    bl_description = (
        "Add the takes that finished while this file was closed, and place them as Place In says. Or add the job in a "
        "folder"
    )
    bl_options = {"REGISTER", "UNDO"}

    folder: bpy.props.StringProperty(
        name="Folder", description="The folder of a job. Empty: all finished jobs of this scene", subtype="DIR_PATH"
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            folders = self._folders(form_scene(context))
            with each_by_itself() as alone:
                for folder in folders:
                    with alone():
                        check_job(folder)
                        take = takes.add_take(form_scene(context), folder)
                        takes.withdraw_offer(folder)
                        if not self.folder and take.state == DONE:  # a chosen folder may be in use elsewhere
                            job_runner.place([take.name])
            self.report({"INFO"}, sentence(Sentence("Takes added: {count}", count=len(folders))))
            return {"FINISHED"}
        return {"CANCELLED"}

    def _folders(self, scene: bpy.types.Scene) -> list[Path]:
        if self.folder:
            return [Path(os.path.normpath(bpy.path.abspath(self.folder)))]
        takes.search_all()
        if not (found := takes.finished_elsewhere(scene)):
            raise Problem("All finished jobs of this scene are already listed.", "Choose a job's folder.")
        return found


class MOTIONCLONE_OT_dismiss_offers(bpy.types.Operator):
    """Stop offering these takes. Their files are kept, and Add Takes can add them by their folder"""

    bl_idname = Operators.DISMISS_OFFERS
    bl_label = Operators.DISMISS_OFFERS.label
    bl_options = {"INTERNAL"}

    done: bpy.props.BoolProperty(name="Done", description="Dismiss the finished takes instead of the unfinished ones")

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            if not self.done:
                job_runner.forget_lost()
            for folder in (takes.finished_elsewhere if self.done else takes.unfinished)(form_scene(context)):
                dismiss(folder)
                takes.withdraw_offer(folder)
            return {"FINISHED"}
        return {"CANCELLED"}


CLASSES = (MOTIONCLONE_OT_resume, MOTIONCLONE_OT_adopt, MOTIONCLONE_OT_dismiss_offers)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
