"""From the scene's settings to jobs in the queue: captures each shot once and submits a take for each prompt and seed.

Only one generation runs at a time, step by step. The caller decides when to take the next step.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bpy

from ...backend.job_folder.problem import Problem
from ...backend.job_folder.request import read_request
from ...backend.job_folder.state import JobState
from ..capture import clip_file, reference_cache
from ..capture.job import capture_steps, variant
from ..capture.plan import CapturePlan, model_named, plans_of
from ..capture.stage import named
from ..declarations import Operators
from ..form_scene import form_scene, in_scene
from ..job_note import read_note
from ..preferences import usable_jobs_folder
from ..session import session
from ..setup import backend_models
from . import job_runner, take_states, takes
from .backend_calls import ask_for_models
from .job_queue import MAX_JOBS

Steps = Generator[tuple[int, int], None, None]


@dataclass
class _Now:
    """The running generation, if any."""

    steps: Steps | None = None


_now = session.part(_Now)


def going_on() -> bool:
    return _now.steps is not None


def begin(context: bpy.types.Context, again: bool = False) -> list[str]:
    """Starts a generation. Returns a list to which each job is added when it is submitted. Problem when one is
    running. again: whether to capture unchanged shots again."""
    if _now.steps:
        raise Problem("A capture is already running.", "Wait for it, or press Esc in the window that shows it.")
    ask_for_models(context)
    jobs: list[str] = []
    _now.steps = generation(context, form_scene(context).name_full, jobs, again)
    return jobs


def step() -> bool:
    """Takes one step, such as rendering a picture. Returns whether there is more to do. Problem ends the
    generation."""
    assert _now.steps
    try:
        job_runner.show_capture(next(_now.steps))
        return True
    except StopIteration:
        stop()
        return False
    except BaseException:
        stop()
        raise


def stop() -> None:
    """Ends the generation. The scene is unchanged, and no unfinished folder is left. Submitted takes stay in the
    queue."""
    steps, _now.steps = _now.steps, None
    if steps:
        steps.close()
        job_runner.show_capture(None)


def generation(context: bpy.types.Context, form: str, jobs: list[str], again: bool) -> Steps:
    """Yields (done, total) pictures. form: full name of the scene whose settings are used."""
    models = yield from _models()
    clip_file.forget()
    scene = named(bpy.data.scenes, form)
    while _awaits_its_clip(scene):
        yield 0, 1
    with in_scene(scene) as here:
        here.view_layer.update()  # Blender now reports all changes so far
        if again:
            reference_cache.forget()
        plans, wishes = plans_of(here, models, wait=True), takes_wanted(scene.motionclone)
    check_complete(model_named(plans[0].request.model, models))
    _check_room(len(plans) * len(wishes))
    done, of = 0, sum(plan.steps for plan in plans)
    for plan in plans:
        jobs_in = usable_jobs_folder(context)
        key = reference_cache.key_of(plan)
        cached = reference_cache.find(plan, key, jobs_in)
        folder = cached or (yield from _captured(plan, jobs_in, done, of))
        reference_cache.remember(key, folder)
        done += plan.steps
        batch, take_scene = "", named(bpy.data.scenes, plan.target.take_scene)
        for take in _folders_of(folder, plan, wishes, bool(cached)):
            batch = batch or take.name
            jobs.append(hand_over(context, take_scene, take, batch))
            yield done, of


def _awaits_its_clip(scene: bpy.types.Scene) -> bool:
    with in_scene(scene) as here:
        return clip_file.awaited(here)


def _folders_of(folder: Path, plan: CapturePlan, wishes: Sequence[tuple[str, int]], cached: bool) -> Iterator[Path]:
    """A job's folder for each take of the shot. folder: that of the reference, which is the first take's own unless the
    reference is used again."""
    request = replace(plan.request, notes=read_request(folder).notes)
    for number, (prompt, seed) in enumerate(wishes):
        other = replace(request, prompt=prompt, seed=seed)
        yield variant(folder, other, folder.parent) if cached or number else folder


def takes_wanted(settings: bpy.types.PropertyGroup) -> list[tuple[str, int]]:
    """(prompt, seed) of the takes of each shot, sorted by prompt."""
    prompts = [settings.prompt.strip(), *(prompt.text.strip() for prompt in settings.more_prompts)]
    seeds = range(settings.seed, settings.seed + settings.seeds)
    return [(prompt, seed) for prompt in dict.fromkeys(filter(None, prompts)) for seed in seeds]


def hand_over(context: bpy.types.Context, scene: bpy.types.Scene, folder: Path, batch: str = "") -> str:
    """Submits the job in a folder and lists it as a take. Returns its id. If it cannot be submitted it is listed too,
    so that the capture is not lost. batch: the first take that was requested together with this one."""
    try:
        job = job_runner.submit(context, folder)
    except Problem as error:
        takes.add_take(scene, folder, JobState.failed(error))
        raise
    takes.add_take(scene, folder, job_runner.state(job)).batch = batch
    return job


def hand_over_again(context: bpy.types.Context, folder: Path) -> str:
    """Submits a job again. The scenes that own it list it as a take. Returns its id."""
    job = job_runner.submit(context, folder)
    takes.withdraw_offer(folder)
    take_states.update(job, job_runner.state(job))
    for scene in bpy.data.scenes:
        if scene.is_editable and takes.owner_of(scene).owns(read_note(folder)):
            takes.add_take(scene, folder, job_runner.state(job))
    return job


def check_complete(model: dict[str, Any]) -> None:
    """Problem when files of the model are missing."""
    if missing := model.get("missing"):
        raise Problem(
            "Files of the model {model} are missing: {missing}.",
            "Download them, or choose another model.",
            repair=Operators.GET_MODEL,
        ).about(model=repr(model["name"]), missing=", ".join(missing))


def _check_room(jobs: int) -> None:
    room = MAX_JOBS - len(job_runner.mine())
    if jobs > room:
        raise Problem(
            "This would be {jobs} takes, but the queue has room for only {room} more.",
            "Use fewer shots, prompts or seeds, or wait until some takes have finished.",
        ).about(jobs=jobs, room=room)


def _models() -> Generator[tuple[int, int], None, Sequence[dict[str, Any]]]:
    """Waits for the backend's answer."""
    while backend_models.fetching():
        backend_models.poll()
        yield 0, 1
    return backend_models.answered()


def _captured(plan: CapturePlan, jobs: Path, before: int, of: int) -> Generator[tuple[int, int], None, Path]:
    """Returns the folder. before: pictures of the shots before; of: pictures of all shots."""
    with closing(capture_steps(plan, jobs)) as steps:
        while True:
            try:
                done, _ = next(steps)
            except StopIteration as end:
                return end.value
            yield before + done, of
