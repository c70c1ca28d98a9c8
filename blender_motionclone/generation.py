"""From the scene's settings to jobs in the queue: captures each shot once, hands over a take for each prompt and seed.

One generation goes on at a time, step by step; whoever runs it decides when the next step is taken.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import bpy

from . import backend_models, job_runner, takes
from .capture.job import capture_steps
from .capture.plan import model_named, plans_of
from .errors import UserError
from .preferences import EXTENSION_ROOT, jobs_folder, worker_command

Steps = Generator[tuple[int, int], None, list[str]]

_steps: Steps | None = None


def going_on() -> bool:
    return _steps is not None


def begin(context: bpy.types.Context) -> None:
    """UserError when one goes on already."""
    global _steps
    if _steps:
        raise UserError("A capture goes on already.", "Wait for it, or press ESC in the window that shows it.")
    backend_models.refresh(worker_command(context), EXTENSION_ROOT)
    _steps = generation(context)


def step() -> list[str] | None:
    """Goes on by one picture or so; -> the jobs that were handed over once it is through. UserError ends it."""
    assert _steps
    try:
        job_runner.show_capture(next(_steps))
        return None
    except StopIteration as end:
        stop()
        return end.value
    except BaseException:
        stop()
        raise


def stop() -> None:
    """Leaves the scene as it was, and no unfinished folder; takes of shots that are captured stay in the queue."""
    global _steps
    steps, _steps = _steps, None
    if steps:
        steps.close()
        job_runner.show_capture(None)


def generation(context: bpy.types.Context) -> Steps:
    """Gives (done, of) pictures."""
    models = yield from _models()
    scene, jobs = context.scene, []
    plans = plans_of(context, models)
    complete(model_named(plans[0].request.model, models))
    for plan in plans:
        folder = yield from capture_steps(plan, jobs_folder(context))
        jobs.append(hand_over(context, scene, folder))
    return jobs


def hand_over(context: bpy.types.Context, scene: bpy.types.Scene, folder: Path) -> str:
    """Submits the job in a folder and lists it as a take; -> its id."""
    job = job_runner.submit(context, folder)
    takes.withdraw_offer(folder)
    takes.add_take(scene, folder, job_runner.state(job))
    return job


def complete(model: dict[str, Any]) -> dict[str, Any]:
    """The entry; UserError when files of it are missing."""
    if missing := model.get("missing"):
        raise UserError(
            f"Files of the model {model['name']!r} are missing: {', '.join(missing)}.",
            "Download them, or choose another model.",
        )
    return model


def _models() -> Generator[tuple[int, int], None, list[dict[str, Any]]]:
    """Waits for the backend's answer."""
    while backend_models.fetching():
        backend_models.poll()
        yield 0, 1
    return backend_models.answered()
