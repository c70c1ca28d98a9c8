"""What the panels show and what takes time to find out. A timer gathers it while a panel is open, so that drawing is
fast."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ..backend.job_folder.problem import Problem
from ..backend.job_folder.state import DONE
from . import forecast, thumbnails
from .capture import clip_file, reference_cache
from .capture.plan import CapturePlan, plans_of
from .form_scene import form_scene, in_scene
from .jobs import job_runner, take_folders
from .jobs.timings import Timings
from .preferences import (
    backend_folders,
    backend_python,
    first_run_is_hidden,
    install_options,
    jobs_folder,
    path_problem,
    usable_jobs_folder,
    worker_is_remote,
)
from .prompt_words import PromptWords, words_of
from .reach import check_reach
from .session import session
from .setup import backend_models, first_run, install_runner, interpreter
from .showing import redraw
from .tick_times import BUDGET, timed

SECONDS_BETWEEN_LOOKS = 0.3
AREAS = ("VIEW_3D", "SEQUENCE_EDITOR")


@dataclass(frozen=True)
class Facts:
    """backend: of interpreter.py, "" before the first check; button: what Generate does, such as "Clone frames 1-48 of
    Camera"; detail: its result; notes: about the shots; cached: whether the reference can be used again; advice: what
    would improve the take; remark: about the shots, with a repair; problem: why generating is not possible; words: of
    the prompt; steps: the way to the first clip, while it is shown."""

    backend: str = ""
    button: str = ""
    detail: str = ""
    notes: tuple[str, ...] = ()
    cached: bool = False
    advice: str = ""
    remark: Problem | None = None
    problem: Problem | None = None
    words: PromptWords | None = None
    steps: tuple[first_run.Step, ...] = ()


@dataclass
class _Now:
    """What was gathered, and where the next check continues."""

    known: dict[str, Facts] = field(default_factory=dict)  # by the scene's name
    wanted: set[str] = field(default_factory=set)  # scenes whose panels were drawn since the last check
    timings: Timings = field(default_factory=Timings)
    jobs_found_in: Path | None = None
    plan_asked_for: tuple = ()  # the options for which the installation's plan was asked
    turn: int = -1  # the take that was checked last


_now = session.part(_Now)


def of(scene: bpy.types.Scene) -> Facts:
    """What is known so far, for drawing. Makes the timer check this scene again."""
    _now.wanted.add(scene.name_full)
    return _now.known.get(scene.name_full, Facts())


def gather(context: bpy.types.Context) -> Facts:
    """Checks the context's scene and stores the result for `of`. The context must be of the scene; see
    form_scene.py."""
    if problem := path_problem(context):
        _now.known[context.scene.name_full] = found = Facts(problem=problem)
        return found
    state = _backend(context)
    found = Facts(backend=state)
    if state == interpreter.READY:
        found = _with_plans(found, context)
    if not first_run_is_hidden(context):
        found = replace(found, steps=tuple(_steps(context, state)))
    _now.known[context.scene.name_full] = found
    return found


def learn(folder: Path) -> None:
    """Learns the time of a job that has just finished."""
    _now.timings.learn(folder)


def tick() -> float:
    """Checks the scenes whose panels are open, and loads one more take's picture and time."""
    with timed("panels"), job_runner.showing_errors():
        _look()
    return SECONDS_BETWEEN_LOOKS


def _look() -> None:
    if bpy.app.is_job_running("RENDER"):  # opening a file changes Blender's data, which must not happen during a render
        return
    wanted = set(_now.wanted)
    _now.wanted.clear()
    changed = False
    for scene, context in _contexts():
        if scene.name_full in wanted:
            wanted.discard(scene.name_full)
            with bpy.context.temp_override(**context), in_scene(scene) as here:
                before = _now.known.get(scene.name_full)
                changed |= _key(gather(here)) != _key(before)
                changed |= _take_up(here)
    if changed:
        redraw()


def _contexts() -> Iterator[tuple[bpy.types.Scene, dict]]:
    """The scene of each area's panels, with its arguments for `temp_override`."""
    for window in bpy.context.window_manager.windows:
        for area in sorted(window.screen.areas, key=lambda area: area.type != AREAS[0]):
            if area.type in AREAS:
                context = {"window": window, "area": area}
                with bpy.context.temp_override(**context):
                    scene = form_scene(bpy.context)
                yield scene, context


def _key(found: Facts | None):
    """Errors with equal texts are equal."""
    said = (found.problem, found.remark) if found else ()
    return found and (replace(found, problem=None, remark=None), [e and (str(e), e.repair) for e in said])


def _backend(context: bpy.types.Context) -> str:
    """The state of the backend, as in interpreter.py. A remote worker and a chosen Python count as ready."""
    if worker_is_remote(context):
        return interpreter.READY
    states = [interpreter.backend_state(folder) for folder in backend_folders(context)]
    installed = next((state for state in states if state != interpreter.MISSING), interpreter.MISSING)
    try:
        python = backend_python(context)
    except Problem:
        return installed
    own = any(python.is_relative_to(folder) for folder in backend_folders(context))
    return installed if own else interpreter.READY


def _steps(context: bpy.types.Context, state: str) -> list[first_run.Step]:
    """The remaining steps; empty when all are done."""
    options = install_options(context)
    now = (install_runner.ends(), *options)  # an interrupted installation changes the plan
    if state != interpreter.READY and _now.plan_asked_for != now and install_runner.ask("backend --plan", options):
        _now.plan_asked_for = now
    models = backend_models.models() or []
    has_model = any(model["name"] != "demo" and not model["missing"] for model in models)
    steps = first_run.steps(state, install_runner.plan(), _now.timings.any, has_model, iface_)
    return [] if all(step.done for step in steps) else steps


def _with_plans(found: Facts, context: bpy.types.Context) -> Facts:
    """Adds what Generate would do now."""
    models = backend_models.models()
    if models is None:
        return replace(found, problem=backend_models.problem() or _asked_for_models(context))
    found = replace(found, words=words_now(context.scene.motionclone))
    try:
        check_reach(context.scene.motionclone)
        if clip_file.awaited(context):
            return replace(found, problem=Problem("Checking the clip."))
        usable_jobs_folder(context)
        plans = plans_of(context, models)
    except Problem as error:
        return replace(found, problem=error)
    takes = len(plans) * forecast.takes_of_a_shot(context.scene.motionclone)
    remark = next((plan.target.cuts for plan in plans if plan.target.cuts), None)
    return replace(
        found,
        button=forecast.button(plans),
        detail=forecast.detail(plans, takes, _now.timings),
        advice=forecast.advice(plans),
        notes=tuple(note for note in _notes_of(plans) if not remark or note != remark.message),
        remark=remark,
        cached=all(reference_cache.may_be_reused(plan, jobs_folder(context)) for plan in plans),
    )


def _notes_of(plans: list[CapturePlan]) -> list[str]:
    return list(dict.fromkeys(note for plan in plans for note in plan.request.notes))


def words_now(settings: bpy.types.PropertyGroup) -> PromptWords | None:
    """What the chosen model makes of the prompt. None while that is not known, or without a prompt."""
    model = backend_models.model_called(settings.model)
    return words_of(settings.prompt, model) if model and settings.prompt.strip() else None


def _asked_for_models(context: bpy.types.Context) -> Problem | None:
    """Asks the backend for its models unless it was asked already. Returns why it cannot be asked."""
    if not backend_models.fetching():
        try:
            job_runner.refresh_models(context)
        except Problem as error:
            return error
    return Problem("Searching for models.")


def _take_up(context: bpy.types.Context) -> bool:
    """Loads one more job's time and one more take's picture. Returns whether there is a new picture."""
    if path_problem(context):
        return False
    folder = jobs_folder(context)
    if folder != _now.jobs_found_in:
        _now.jobs_found_in = folder
        _now.timings.find(folder)
    _now.timings.learn_one()
    if new := _take_up_preview():
        return new
    return _take_up_take(context.scene.motionclone.takes)


def _take_up_take(takes: bpy.types.bpy_prop_collection) -> bool:
    """Returns whether a take got its picture. Some never get one, so each check continues where the last one ended."""
    until = time.monotonic() + BUDGET / 2
    for _ in range(len(takes)):
        _now.turn = (_now.turn + 1) % len(takes)
        take = takes[_now.turn]
        if take.state == DONE and not thumbnails.icon(take.name) and (folder := take_folders.folder_of(take)):
            _now.timings.learn(folder)
            if thumbnails.load_take(take.name, folder):
                return True
        if time.monotonic() > until:
            break
    return False


def _take_up_preview() -> bool:
    """Plays the running job's preview. Returns whether there is something new to show."""
    job = job_runner.running()
    preview = job_runner.preview(job) if job else None
    if preview is None:
        thumbnails.forget_preview()
        return False
    return thumbnails.load_preview(preview, preview.parent.parent) or thumbnails.play()


def register() -> None:
    # Persistent: another file has the same panels.
    bpy.app.timers.register(tick, first_interval=0.1, persistent=True)


def unregister() -> None:
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    clip_file.forget()
    session.reset(_now)
