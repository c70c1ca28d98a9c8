"""The demo model on a small scene, with one press; and hiding the first steps."""

from __future__ import annotations

import bpy

from .. import facts
from ..demo_scene import PROMPT, add_demo_scene
from ..jobs import job_runner
from ..preferences import hide_first_run
from .generate import Generating

NAME = "MotionClone Demo"


class MOTIONCLONE_OT_try_demo(Generating, bpy.types.Operator):
    bl_idname = "motionclone.try_demo"
    bl_label = "Try the Demo"
    bl_description = (
        "Add a small scene with a bouncing ball and a moving camera, and clone its motion with the demo "
        "model; then play the clip. Your scenes stay as they are"
    )
    bl_options = {"UNDO"}  # not REGISTER: Adjust Last Operation would run it anew, and Blender wait for its jobs

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self._show(context)
        return super().invoke(context, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = _scene()
        with context.temp_override(scene=scene, view_layer=scene.view_layers[0]):
            return super().execute(context)

    def _handed_over(self) -> None:
        """The first clip is to be seen without a search for it."""
        super()._handed_over()
        for job in self._jobs:
            job_runner.watch(job)

    def _show(self, context: bpy.types.Context) -> None:
        context.window.scene = _scene()
        for area in context.screen.areas:
            if area.type == "VIEW_3D":
                area.spaces.active.region_3d.view_perspective = "CAMERA"


def _scene() -> bpy.types.Scene:
    """The demo's, made anew unless the file has it."""
    scene = bpy.data.scenes.get(NAME) or add_demo_scene(NAME)
    scene.motionclone.prompt = scene.motionclone.prompt or PROMPT
    scene.motionclone.model = "demo"
    return scene


class MOTIONCLONE_OT_hide_first_run(bpy.types.Operator):
    """Hide the first steps; the preferences show them again"""

    bl_idname = "motionclone.hide_first_run"
    bl_label = "Hide First Steps"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        hide_first_run(context)
        facts.gather(context)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_try_demo, MOTIONCLONE_OT_hide_first_run))
