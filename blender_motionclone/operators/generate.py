"""Captures the shots and submits their takes, of the form's scene or of the demo scene."""

from __future__ import annotations

import time

import bpy

from ...backend.job_folder.problem import Problem, Sentence
from .. import facts
from ..declarations import Operators
from ..demo_scene import PROMPT, add_demo_scene
from ..jobs import generation, job_runner
from ..preferences import hide_first_run
from ..translations import sentence
from .reporting import handed_over, reporting_errors, wait_for

SECONDS_BETWEEN_STEPS = 0.01
NAME = "MotionClone Demo"


class Generating:
    """Shared by the operators that generate. If one called the other, its errors would not reach the user."""

    _timer: bpy.types.Timer | None = None
    _jobs: list[str]

    def _renders_again(self) -> bool:
        """Whether to capture shots that have not changed."""
        return False

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if generation.going_on():
            cls.poll_message_set("A shot is being captured. Wait for it, or press Esc")
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """From a button: Esc ends the capture, which shows its progress. Then the worker runs in the background."""
        with reporting_errors(self):
            self._jobs = generation.begin(context, self._renders_again())
            self._timer = context.window_manager.event_timer_add(SECONDS_BETWEEN_STEPS, window=context.window)
            context.window_manager.modal_handler_add(self)
            return {"RUNNING_MODAL"}
        return {"CANCELLED"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if not generation.going_on():  # another file was opened
            return self._end(context)
        if event.type == "ESC" and event.value == "PRESS":
            generation.stop()
            self.report({"INFO"}, sentence("The capture was cancelled."))
            return self._end(context)
        if event.type != "TIMER":
            return {"PASS_THROUGH"}  # the user goes on working
        goes_on = False
        try:
            with reporting_errors(self):
                goes_on = generation.step()
                if not goes_on:
                    self._handed_over()
        finally:
            end = None if goes_on else self._end(context)
        _show_status(context)
        return end or {"PASS_THROUGH"}

    def _handed_over(self) -> None:
        self.report({"INFO"}, handed_over(self._jobs))

    def cancel(self, context: bpy.types.Context) -> None:
        """Called by Blender when its window is closed or another file is opened."""
        generation.stop()
        self._end(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """From a script: returns when the jobs have ended. It always captures, because Blender does not report what a
        script changes before it sets a frame."""
        with reporting_errors(self):
            jobs = generation.begin(context, again=True)
            try:
                while generation.step():
                    time.sleep(0.001)  # while waiting for the backend's models
            except Problem:
                job_runner.wait(jobs)  # those of the shots before
                raise
            wait_for(jobs)
            self.report({"INFO"}, sentence(Sentence("Done: {jobs}", jobs=", ".join(jobs))))
            return {"FINISHED"}
        return {"CANCELLED"}

    def _end(self, context: bpy.types.Context) -> set[str]:
        """Finished if takes were listed, which makes an undo step."""
        if self._timer:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None
        if context.workspace:
            context.workspace.status_text_set(None)
        return {"FINISHED"} if self._jobs else {"CANCELLED"}


class MOTIONCLONE_OT_generate(Generating, bpy.types.Operator):
    """Render the shot as a reference clip, and generate clips with the same motion"""

    bl_idname = Operators.GENERATE
    bl_label = Operators.GENERATE.label
    bl_options = {"UNDO"}  # not REGISTER: Adjust Last Operation would run it again, and Blender would wait for its jobs

    again: bpy.props.BoolProperty(name="Capture Again", description="Capture the shot again even if it has not changed")

    def _renders_again(self) -> bool:
        return self.again


def _show_status(context: bpy.types.Context) -> None:
    if context.workspace and (progress := job_runner.capture()):
        done, of = progress
        context.workspace.status_text_set(
            sentence(
                Sentence(
                    "MotionClone is capturing the reference, frame {done} of {of}. Press Esc to stop", done=done, of=of
                )
            )
        )


class MOTIONCLONE_OT_try_demo(Generating, bpy.types.Operator):
    bl_idname = Operators.TRY_DEMO
    bl_label = Operators.TRY_DEMO.label
    bl_description = (
        "Add a small scene with a bouncing ball and a moving camera, clone its motion with the demo "
        "model, and play the clip. Your scenes do not change"
    )
    bl_options = {"UNDO"}  # not REGISTER: Adjust Last Operation would run it again, and Blender would wait for its jobs

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self._show(context)
        return super().invoke(context, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = _scene()
        with context.temp_override(scene=scene, view_layer=scene.view_layers[0]):
            return super().execute(context)

    def _handed_over(self) -> None:
        """Plays the first clip, so that the user does not have to look for it."""
        super()._handed_over()
        for job in self._jobs:
            job_runner.watch(job)

    def _show(self, context: bpy.types.Context) -> None:
        context.window.scene = _scene()
        for area in context.screen.areas:
            if area.type == "VIEW_3D":
                area.spaces.active.region_3d.view_perspective = "CAMERA"


def _scene() -> bpy.types.Scene:
    """The demo scene, made if the file does not have it."""
    scene = bpy.data.scenes.get(NAME) or add_demo_scene(NAME)
    scene.motionclone.prompt = scene.motionclone.prompt or PROMPT
    scene.motionclone.model = "demo"
    return scene


class MOTIONCLONE_OT_hide_first_run(bpy.types.Operator):
    """Hide the first steps. You can show them again in the preferences"""

    bl_idname = Operators.HIDE_FIRST_RUN
    bl_label = Operators.HIDE_FIRST_RUN.label
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        hide_first_run(context)
        facts.gather(context)
        return {"FINISHED"}


CLASSES = (MOTIONCLONE_OT_generate, MOTIONCLONE_OT_try_demo, MOTIONCLONE_OT_hide_first_run)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
