"""List jobs that were done while nobody looked."""

from __future__ import annotations

import os
from pathlib import Path

import bpy

from ...backend.job_folder.state import DONE
from ..errors import UserError
from ..form_scene import form_scene
from ..jobs import job_runner, takes
from ..jobs.job_files import check_job
from ..sentences import sentence
from .reporting import each_by_itself, reporting_errors


class MOTIONCLONE_OT_adopt(bpy.types.Operator):
    """Add the takes that were finished while this file was closed and use them as Place In says, or a job's folder"""

    bl_idname = "motionclone.adopt"
    bl_label = "Add Takes"
    bl_options = {"REGISTER", "UNDO"}

    folder: bpy.props.StringProperty(
        name="Folder", description="A job's folder. Empty: all finished jobs of this scene", subtype="DIR_PATH"
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
                        if not self.folder and take.state == DONE:  # a named one may have been used elsewhere
                            job_runner.place([take.name])
            self.report({"INFO"}, sentence(f"Takes added: {len(folders)}"))
            return {"FINISHED"}
        return {"CANCELLED"}

    def _folders(self, scene: bpy.types.Scene) -> list[Path]:
        if self.folder:
            return [Path(os.path.normpath(bpy.path.abspath(self.folder)))]
        takes.search_all()
        if not (found := takes.finished_elsewhere(scene)):
            raise UserError("No finished job of this scene is missing among its takes.", "Choose a job's folder.")
        return found


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_adopt,))
