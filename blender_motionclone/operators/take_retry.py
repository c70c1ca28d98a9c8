"""Another take of the same shot and prompt."""

from __future__ import annotations

from dataclasses import replace

import bpy

from ...backend.job_folder.request import RequestError, read_request
from ..capture.job import variant
from ..errors import UserError
from ..form_scene import form_scene
from ..jobs import generation, take_states, takes
from ..jobs.job_files import check_job
from ..preferences import jobs_folder
from ..properties import SEEDS, MotionCloneTake
from .reporting import reporting_errors
from .waiting import handed_over, wait_for


class MOTIONCLONE_OT_take_retry(bpy.types.Operator):
    """Make another take of the same motion and prompt with the next seed; this one stays as it is"""

    bl_idname = "motionclone.take_retry"
    bl_label = "New Seed"
    bl_options = {"UNDO"}  # not REGISTER: Adjust Last Operation would run it anew, and Blender wait for its jobs

    job: bpy.props.StringProperty(name="Job", description="A take's id. Empty: the active one")
    seed: bpy.props.IntProperty(name="Seed", description="-1: the next that no such take has", default=-1, min=-1)

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
        folder = take_states.existing_folder(take)
        try:
            request = read_request(folder)
        except RequestError as error:
            raise UserError(str(error), "Generate the clip anew.") from None
        check_job(folder)
        seed = next_seed(form_scene(context), take) if self.seed < 0 else self.seed
        other = variant(folder, replace(request, seed=seed), jobs_folder(context))
        return generation.hand_over(context, form_scene(context), other)


def next_seed(scene: bpy.types.Scene, take: MotionCloneTake) -> int:
    """One above those of all takes of the same shot and prompt; after the last seed comes 0."""
    what = _what(take)
    last = max(other.whole_seed for other in scene.motionclone.takes if _what(other) == what)
    return (last + 1) % SEEDS


def _what(take: MotionCloneTake) -> tuple[str, int, int, str]:
    return take.prompt, take.frame_start, take.frames, take.camera


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_take_retry,))
