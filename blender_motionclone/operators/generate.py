"""Capture the shot and run the job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy

from ...backend.wire.job_state import DONE
from .. import job_runner
from ..backend_process import list_models
from ..capture.job import capture_job, model_named, request_of
from ..errors import UserError
from ..preferences import EXTENSION_ROOT, backend_python, jobs_folder
from .reporting import reporting_errors


class MOTIONCLONE_OT_generate(bpy.types.Operator):
    """Render the camera's shot as a reference clip and generate a clip with the same motion"""

    bl_idname = "motionclone.generate"
    bl_label = "Generate"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if job_runner.running():
            cls.poll_message_set("A MotionClone job is running; wait for it, or cancel it")
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """From a button: the capture shows a progress cursor, then the job runs beside Blender."""
        with reporting_errors(self):
            folder = submit(context)
            self.report({"INFO"}, f"MotionClone job {folder.name} started")
            return {"FINISHED"}
        return {"CANCELLED"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """From a script: returns when the job has ended."""
        with reporting_errors(self):
            folder = submit(context)
            last = job_runner.wait()
            if last.state != DONE:
                raise UserError(last.message, last.hint)
            self.report({"INFO"}, f"MotionClone job {folder.name} is done")
            return {"FINISHED"}
        return {"CANCELLED"}


def submit(context: bpy.types.Context) -> Path:
    """Checks, captures and starts the scene's job; returns its folder."""
    scene = context.scene
    request, shot = request_of(scene)
    python = backend_python(context)
    model = model_named(request.model, list_models(python, EXTENSION_ROOT))
    with progress_cursor(context) as on_frame:
        folder = capture_job(scene, request, shot, model, jobs_folder(context), on_frame)
    job_runner.start(python, EXTENSION_ROOT, folder)
    scene.motionclone.last_job = str(folder)
    return folder


@contextmanager
def progress_cursor(context: bpy.types.Context) -> Iterator[Callable[[int, int], None]]:
    """Gives a function (done, of) that shows percents at the mouse pointer."""
    manager = context.window_manager
    manager.progress_begin(0, 100)
    try:
        yield lambda done, of: manager.progress_update(100 * done // of)
    finally:
        manager.progress_end()


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_generate,))
