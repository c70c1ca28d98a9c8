"""Put a take's clip somewhere in the scene, and restore the scene's view."""

from __future__ import annotations

from pathlib import Path

import bpy

from ...backend.job_folder.problem import Problem
from .. import reach
from ..declarations import Operators
from ..form_scene import form_scene, in_scene
from ..jobs import take_folders
from ..properties import PLACEMENTS
from ..results.colors import restore_view
from ..results.finished_job import read_finished_job
from ..results.place import PLACERS, place_job
from ..results.placement import PlacementOptions
from ..translations import sentence
from .reporting import reporting_errors

AS_SET = ("AS_SET", "As Set", "As the scene's Place In setting says", "NONE", len(PLACEMENTS))
HOWS = (AS_SET, *(place for place in PLACEMENTS if place[0] in PLACERS))


class MOTIONCLONE_OT_take_place(bpy.types.Operator):
    """Place the clip in the scene on exactly the shot's frames, in its own colors"""

    bl_idname = Operators.TAKE_PLACE
    bl_label = Operators.TAKE_PLACE.label
    bl_options = {"REGISTER", "UNDO"}

    job: bpy.props.StringProperty(
        name="Job",
        description="The id of a take, or the folder of a job. Empty: the active take, or else the scene's last job",
    )
    how: bpy.props.EnumProperty(name="Place In", description="Where to place the clip", items=HOWS, default=AS_SET[0])
    replace: bpy.props.BoolProperty(
        name="Replace", description="Replace an earlier take of the same shot", default=True
    )
    keep_view: bpy.props.BoolProperty(
        name="Keep View",
        description="Keep the scene's view transform. Saturated colors of the clip may then look paler. Otherwise "
        "it is set to Standard, which shows every pixel as it was generated",
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            scene = form_scene(context)
            job = read_finished_job(folder_of(scene, self.job), scene.frame_start)
            options = PlacementOptions(replace=self.replace, keep_view=self.keep_view)
            with in_scene(scene) as here:
                placement = place_job(here, scene, job, self._how(scene), options)
            self.report({"INFO"}, sentence(placement.text))
            if placement.note:
                self.report({"WARNING"}, sentence(placement.note))
            return {"FINISHED"}
        return {"CANCELLED"}

    def _how(self, scene: bpy.types.Scene) -> str:
        """If finished takes are placed nowhere, placing one by hand uses the first placement."""
        how = scene.motionclone.placement if self.how == "AS_SET" else self.how
        return how if how in PLACERS else PLACEMENTS[0][0]


def folder_of(scene: bpy.types.Scene, job: str) -> Path:
    """The folder of a take, by its id or its folder's path; for "" that of the active take, or of the last job."""
    settings = scene.motionclone
    take = settings.takes.get(job)
    if not job and 0 <= settings.take_index < len(settings.takes):
        take = settings.takes[settings.take_index]
    if take:
        return take_folders.existing_folder(take)
    if not (path := reach.named(job or settings.last_job)):
        raise Problem("This scene has no MotionClone job yet.", "Generate a clip first, or choose a job's folder.")
    return path


class MOTIONCLONE_OT_restore_view(bpy.types.Operator):
    """Restore the view transform that the scene had before it was set to Standard to keep a clip's colors"""

    bl_idname = Operators.RESTORE_VIEW
    bl_label = Operators.RESTORE_VIEW.label
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not form_scene(context).motionclone.view_before:
            cls.poll_message_set("The scene's view transform was not changed")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        restore_view(form_scene(context))
        return {"FINISHED"}


CLASSES = (MOTIONCLONE_OT_take_place, MOTIONCLONE_OT_restore_view)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
