"""Cancel and reorder jobs, and start and stop the worker."""

from __future__ import annotations

from pathlib import Path

import bpy

from ...backend.job_folder.problem import Problem
from ..declarations import Operators
from ..form_scene import form_scene
from ..jobs import job_runner, take_folders, take_states
from .reporting import each_by_itself, reporting_errors


class MOTIONCLONE_OT_cancel(bpy.types.Operator):
    """Cancel the running job or a waiting one. Its folder is kept"""

    bl_idname = Operators.CANCEL
    bl_label = Operators.CANCEL.label

    job: bpy.props.StringProperty(name="Job", description="The id of a job. Empty: the running one")
    everything: bpy.props.BoolProperty(name="Everything", description="Also cancel the waiting jobs")
    elsewhere: bpy.props.BoolProperty(
        name="Elsewhere",
        description="Cancel the jobs of this scene that run in the worker of another Blender, or of an earlier session",
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        scene = form_scene(context)
        if job_runner.running() or job_runner.elsewhere(scene):
            return True
        if any(take_states.can_be_asked(take) for take in scene.motionclone.takes):
            return True
        cls.poll_message_set("No MotionClone job is running")
        return False

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            jobs = job_runner.mine()
            if self.elsewhere:
                self._ask(form_scene(context), job_runner.elsewhere(form_scene(context)))
                return {"FINISHED"}
            if folder := self._folder_elsewhere(form_scene(context)):
                self._ask(form_scene(context), [folder])
                return {"FINISHED"}
            if not jobs or (self.job and self.job not in jobs):
                raise Problem("No job {job} is running or waiting.", "It may already have ended.").about(
                    job=repr(self.job)
                )
            for job in reversed(jobs) if self.everything else [self.job or jobs[0]]:
                job_runner.cancel(job)
            return {"FINISHED"}
        return {"CANCELLED"}

    def _folder_elsewhere(self, scene: bpy.types.Scene) -> Path | None:
        """The folder of a named take whose job another Blender runs."""
        if self.job in job_runner.mine() or not (take := scene.motionclone.takes.get(self.job)):
            return None
        return take_folders.existing_folder(take) if take_states.can_be_asked(take) else None

    def _ask(self, scene: bpy.types.Scene, folders: list[Path]) -> None:
        with each_by_itself() as alone:
            for folder in folders:
                with alone():
                    take_states.ask_to_cancel(folder)
        for take in scene.motionclone.takes:
            if take_states.with_a_worker(take):
                take_states.look_at(take)


class MOTIONCLONE_OT_queue_move(bpy.types.Operator):
    """Move this take up or down among the waiting takes"""

    bl_idname = Operators.QUEUE_MOVE
    bl_label = Operators.QUEUE_MOVE.label

    job: bpy.props.StringProperty(name="Job", description="The id of a waiting job")
    position: bpy.props.IntProperty(name="Position", description="The number of waiting jobs before it", min=0)

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            if self.job not in job_runner.waiting():
                raise Problem("The job {job} is not in the queue.", "It may already be running or done.").about(
                    job=repr(self.job)
                )
            job_runner.move(self.job, self.position)
            return {"FINISHED"}
        return {"CANCELLED"}


class MOTIONCLONE_OT_start_worker(bpy.types.Operator):
    """Start the worker now. Otherwise it starts with the first take"""

    bl_idname = Operators.START_WORKER
    bl_label = Operators.START_WORKER.label

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            job_runner.start_worker(context)
            return {"FINISHED"}
        return {"CANCELLED"}


class MOTIONCLONE_OT_stop_worker(bpy.types.Operator):
    """Stop the worker and free its memory. Unfinished takes are kept and can be run again"""

    bl_idname = Operators.STOP_WORKER
    bl_label = Operators.STOP_WORKER.label

    def execute(self, context: bpy.types.Context) -> set[str]:
        job_runner.stop_worker()
        return {"FINISHED"}


CLASSES = (MOTIONCLONE_OT_cancel, MOTIONCLONE_OT_queue_move, MOTIONCLONE_OT_start_worker, MOTIONCLONE_OT_stop_worker)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
