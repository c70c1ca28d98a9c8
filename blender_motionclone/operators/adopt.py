"""List jobs that were done while nobody looked."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..errors import UserError
from ..jobs import takes
from ..sentences import sentence
from .reporting import reporting_errors


class MOTIONCLONE_OT_adopt(bpy.types.Operator):
    """Add the takes that were finished while this file was closed, or a job from its folder"""

    bl_idname = "motionclone.adopt"
    bl_label = "Add Takes"
    bl_options = {"REGISTER", "UNDO"}

    folder: bpy.props.StringProperty(
        name="Folder", description="A job's folder. Empty: all finished jobs of this scene", subtype="DIR_PATH"
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            folders = self._folders(context.scene)
            for folder in folders:
                takes.add_take(context.scene, folder)
                takes.withdraw_offer(folder)
            self.report({"INFO"}, sentence(f"Takes added: {len(folders)}"))
            return {"FINISHED"}
        return {"CANCELLED"}

    def _folders(self, scene: bpy.types.Scene) -> list[Path]:
        if self.folder:
            return [Path(bpy.path.abspath(self.folder))]
        takes.search_all()
        if not (found := takes.finished_elsewhere(scene)):
            raise UserError("No finished job of this scene is missing among its takes.", "Choose a job's folder.")
        return found


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_adopt,))
