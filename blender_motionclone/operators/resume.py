"""Run again what did not come to its end."""

from __future__ import annotations

from pathlib import Path

import bpy

from ...backend.job_folder.state import DONE
from ..errors import UserError
from ..form_scene import form_scene
from ..jobs import generation, job_runner, take_states, takes
from ..jobs.job_files import check_job
from .reporting import each_by_itself, reporting_errors
from .waiting import handed_over, wait_for


class MOTIONCLONE_OT_resume(bpy.types.Operator):
    """Run again what was not done, with the same seed; where possible it goes on from where it was cut off"""

    bl_idname = "motionclone.resume"
    bl_label = "Run Again"
    bl_options = {"UNDO"}  # not REGISTER: Adjust Last Operation would run it anew, and Blender wait for its jobs

    job: bpy.props.StringProperty(
        name="Job", description="A take's id. Empty: all of this scene that were left, or lost with their worker"
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
            raise UserError("No take was left undone.", "Choose one to run again.")
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
        folder = take_states.existing_folder(take)
        if take.name not in job_runner.mine():
            take_states.look_at(take)  # what the .blend tells of it may be old
        if take.state == DONE:
            raise UserError("This take is done.", "New Seed makes another.")
        return folder

    def _left(self, scene: bpy.types.Scene) -> list[Path]:
        takes.search_all()
        left = {folder.name: folder for folder in takes.unfinished(scene)}
        return [*(left | {job: job_runner.folder(job) for job in job_runner.lost()}).values()]


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_resume,))
