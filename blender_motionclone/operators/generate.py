"""Capture the shots and let the worker make takes of them."""

from __future__ import annotations

import time

import bpy

from ...backend.wire.job_state import DONE
from .. import generation, job_runner
from ..errors import UserError
from .reporting import reporting_errors

SECONDS_BETWEEN_STEPS = 0.01


class MOTIONCLONE_OT_generate(bpy.types.Operator):
    """Render the shot as a reference clip and generate clips with the same motion"""

    bl_idname = "motionclone.generate"
    bl_label = "Generate"
    bl_options = {"REGISTER", "UNDO"}

    _timer: bpy.types.Timer | None = None

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if generation.going_on():
            cls.poll_message_set("A shot is being captured; wait for it, or press ESC")
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """From a button: the capture shows its progress and can be ended by ESC, then the worker goes on beside."""
        with reporting_errors(self):
            generation.begin(context)
            self._timer = context.window_manager.event_timer_add(SECONDS_BETWEEN_STEPS, window=context.window)
            context.window_manager.modal_handler_add(self)
            return {"RUNNING_MODAL"}
        return {"CANCELLED"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if not generation.going_on():  # another file was opened
            return self._end(context, {"CANCELLED"})
        if event.type == "ESC" and event.value == "PRESS":
            generation.stop()
            self.report({"INFO"}, "The capture was cancelled")
            return self._end(context, {"CANCELLED"})
        if event.type != "TIMER":
            return {"RUNNING_MODAL"}
        with reporting_errors(self):
            jobs = generation.step()
            if jobs is None:
                _show_status(context)
                return {"RUNNING_MODAL"}
            self.report({"INFO"}, f"{len(jobs)} MotionClone job{'s' if len(jobs) > 1 else ''} handed to the worker")
            return self._end(context, {"FINISHED"})
        return self._end(context, {"CANCELLED"})

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends it: its window is closed, or another file is opened."""
        generation.stop()
        self._end(context, {"CANCELLED"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """From a script: returns when the jobs have ended."""
        with reporting_errors(self):
            generation.begin(context)
            while (jobs := generation.step()) is None:
                time.sleep(0)
            job_runner.wait(jobs)
            _check(jobs)
            self.report({"INFO"}, f"Done: {', '.join(jobs)}")
            return {"FINISHED"}
        return {"CANCELLED"}

    def _end(self, context: bpy.types.Context, how: set[str]) -> set[str]:
        if self._timer:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None
        if context.workspace:
            context.workspace.status_text_set(None)
        return how


def _show_status(context: bpy.types.Context) -> None:
    done, of = job_runner.capture() or (0, 0)
    if context.workspace:
        context.workspace.status_text_set(f"MotionClone: capturing {done}/{of}    ESC: Cancel")


def _check(jobs: list[str]) -> None:
    """UserError when one of them is not done."""
    bad = [(job, state) for job in jobs if (state := job_runner.state(job)).state != DONE]
    if bad:
        job, state = bad[0]
        many = f"{len(bad)} of {len(jobs)} jobs are not done; {job}: " if len(jobs) > 1 else ""
        raise UserError(f"{many}{state.message}", state.hint)


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_generate,))
