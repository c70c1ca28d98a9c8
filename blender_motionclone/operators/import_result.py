"""Put a job's result into the sequencer."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..errors import UserError
from ..neutral_view import make_neutral, what_regrades
from ..results.finished_job import read_finished_job
from ..results.movie_strip import add_movie_strip, show_in_sequencer
from .reporting import reporting_errors


class MOTIONCLONE_OT_import_result(bpy.types.Operator):
    """Add the generated clip to the sequencer as a movie strip that lies exactly on the shot's frames"""

    bl_idname = "motionclone.import_result"
    bl_label = "Import Result"
    bl_options = {"REGISTER", "UNDO"}

    job: bpy.props.StringProperty(
        name="Job", description="The job's folder. Empty: the scene's last job", subtype="DIR_PATH"
    )
    relative_path: bpy.props.BoolProperty(
        name="Relative Path", description="Store the path relative to the saved .blend, on the same drive", default=True
    )
    set_view_transform: bpy.props.BoolProperty(
        name="Set View Transform",
        description="Set the scene's view to Standard, so that the clip's colours stay as they are",
        default=True,
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            scene = context.scene
            job = read_finished_job(_folder(self.job or scene.motionclone.last_job), scene.frame_start)
            strip = add_movie_strip(scene, job, self.relative_path)
            show_in_sequencer(context, scene)
            self._tend_colours(scene)
            self.report({"INFO"}, f"{strip.name!r} lies on channel {strip.channel}, frame {job.frame_start} on")
            return {"FINISHED"}
        return {"CANCELLED"}

    def _tend_colours(self, scene: bpy.types.Scene) -> None:
        """A clip is finished picture; the scene's view would grade it a second time."""
        had = what_regrades(scene.view_settings)
        if had and self.set_view_transform:
            make_neutral(scene.view_settings)
        if has := what_regrades(scene.view_settings):
            self.report({"WARNING"}, f"The scene's view changes the clip's colours: {has}")
        elif had:
            self.report({"WARNING"}, f"The scene's view is Standard now, to keep the clip's colours; it was: {had}")


def _folder(path: str) -> Path:
    if not path:
        raise UserError("This scene has no MotionClone job yet.", "Generate a clip first, or choose a job's folder.")
    return Path(bpy.path.abspath(path))


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_import_result,))
