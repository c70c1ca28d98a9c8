"""Owns the worker's client. One timer processes its messages, updates takes, and checks other work in progress."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from ...backend.job_folder.problem import Problem
from ...backend.job_folder.state import JobState
from ..job_note import note_handing_over
from ..preferences import FINISH_ALL, FINISH_RUNNING, STOP, when_closing
from ..session import session
from ..setup import backend_models
from ..showing import redraw
from ..tick_times import BUDGET, Tick, catching, timed
from . import take_states, takes
from .backend_calls import ask_for_models, start_of
from .job_queue import MAX_JOBS, JobQueue
from .job_states import WorkerStatus
from .notifications import Notifications

SECONDS_BUSY, SECONDS_IDLE = 0.1, 0.5  # between ticks: while something is running, and while only the worker is running
JOBS_TO_FINISH = {FINISH_ALL: MAX_JOBS, FINISH_RUNNING: 1, STOP: 0}  # when Blender closes
SECONDS_BETWEEN_LOOKS = 2.0  # between checks of folders that a worker of another Blender uses


@dataclass
class _Now:
    """The worker's client and its messages. capture: (done, total) pictures."""

    queue: JobQueue = field(default_factory=JobQueue)
    notifications: Notifications = field(default_factory=Notifications)
    problem: Problem | None = None
    capture: tuple[int, int] | None = None
    looked: float = 0.0


_now = session.part(_Now)


# What panels ask. All of it is known already.


def running() -> str | None:
    """The job at the head of the queue. It is running, or will run as soon as the worker is ready."""
    return next(iter(_now.queue.jobs.order), None)


def waiting() -> tuple[str, ...]:
    return tuple(_now.queue.jobs.order[1:])


def state(job: str) -> JobState:
    """The state of a job of this session; "queued" for others."""
    return _now.queue.jobs.states.get(job, JobState())


def preview(job: str) -> Path | None:
    """A strip of small frames. Each preview replaces the one before."""
    return _now.queue.jobs.previews.get(job, (0, None))[1]


def preview_step(job: str) -> int:
    """The step after which the preview was made, which identifies a new one; 0 for none."""
    return _now.queue.jobs.previews.get(job, (0, None))[0]


def worker() -> WorkerStatus:
    return _now.queue.jobs.worker


def capture() -> tuple[int, int] | None:
    """(done, total) pictures of the running capture."""
    return _now.capture


def problem() -> Problem | None:
    """The last error that no operator could report."""
    return _now.problem


def clear_problem() -> None:
    _now.problem = _now.queue.problem = _now.notifications.problem = None


# What operators do.


def start_worker(context: bpy.types.Context) -> None:
    """Problem when it cannot be started."""
    _now.queue.start(start_of(context))
    wake()


def stop_worker() -> None:
    """Stops at the running job's next step. Unfinished jobs stay in their folders and can be run again."""
    _now.notifications.note({job: state(job) for job in _now.queue.stop()})
    wake()


def submit(context: bpy.types.Context, folder: Path) -> str:
    """Returns the job's id."""
    note_handing_over(folder)
    job = _now.queue.submit(start_of(context), folder)
    wake()
    return job


def cancel(job: str) -> None:
    _now.queue.cancel(job)


def remove(job: str) -> None:
    """Removes a waiting job from the queue."""
    _now.queue.remove(job)


def move(job: str, position: int) -> None:
    """position: how many waiting jobs are before it."""
    _now.queue.move(job, position)


def watch(job: str) -> None:
    """Plays the take when it is done."""
    _now.notifications.watch(job)


def place(jobs: Sequence[str]) -> None:
    """Places finished takes as their scenes say, as if they had ended just now. A script waits for it."""
    for job in jobs:
        _now.notifications.place(job)
    wake()
    if bpy.app.background:  # no timer runs
        wait(jobs)


def lost() -> tuple[str, ...]:
    """Jobs that ended with their worker and were not run again."""
    return tuple(job for job in _now.queue.lost if _now.queue.jobs.folders[job].is_dir())


def forget_lost() -> None:
    """Stops offering to run them again together. Each take can still be run again."""
    _now.queue.lost.clear()


def folder(job: str) -> Path:
    """The folder of a job of this session."""
    return _now.queue.jobs.folders[job]


def show_capture(progress: tuple[int, int] | None) -> None:
    _now.capture = progress
    redraw()


def wait(jobs: Sequence[str]) -> None:
    """Blocks until the jobs have ended and their takes show it, for scripts and render farms. Cancels them when it is
    interrupted."""
    try:
        _until_ended(jobs)
    except BaseException:
        for job in jobs:
            cancel(job)
        _until_ended(jobs)
        raise


def _until_ended(jobs: Sequence[str]) -> None:
    while any(job in _now.queue.jobs.order or _now.notifications.about(job) for job in jobs):
        tick()
        time.sleep(0.02)


def elsewhere(scene: bpy.types.Scene) -> list[Path]:
    """Folders of the scene's jobs that the worker of another Blender is running."""
    return [folder for folder in takes.at_work(scene) if folder.name not in _now.queue.jobs.order]


# The timer.


def wake() -> None:
    """Starts the timer. It is persistent, because opening another file does not stop the jobs."""
    if not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=SECONDS_BUSY, persistent=True)


def tick() -> float | None:
    """Checks all work in progress once. Returns the seconds until the next check, or None when there is nothing to
    do."""
    with timed("worker") as this:
        _look(this, time.monotonic() + BUDGET)
    pause: float | None = SECONDS_BUSY
    with catching(_show_problem):
        pause = _pause()
    return pause


def _look(this: Tick, until: float) -> None:
    """Does each part separately, so that an error in one does not stop the others."""
    changed: dict[str, JobState] = {}
    with catching(_show_problem):
        changed = _now.queue.pump(BUDGET)
        _now.notifications.note(changed)
    with catching(_show_problem):
        if backend_models.poll() or changed:
            redraw()
    if not bpy.app.is_job_running("RENDER"):  # Blender may crash when its data changes during a render
        with catching(_show_problem):
            if not changed and _now.notifications.place_next():
                this.kind = "placing"
        with catching(_show_problem):
            _now.notifications.tell(until)
        with catching(_show_problem):
            _look_elsewhere(until)
    _take_up_problems()


def showing_errors() -> AbstractContextManager[None]:
    """For Blender's callbacks: an unexpected error is shown and ends only the block."""
    return catching(_show_problem)


def _show_problem(error: Problem) -> None:
    _now.problem = error


def _take_up_problems() -> None:
    """A job's failure is shown by its take instead."""
    _now.problem = _now.queue.problem or _now.notifications.problem or _now.problem
    _now.queue.problem = _now.notifications.problem = None


def _look_elsewhere(until: float) -> None:
    """Checks takes whose jobs run in another Blender, and looks for jobs without a take."""
    if time.monotonic() - _now.looked > SECONDS_BETWEEN_LOOKS:
        _now.looked = time.monotonic()
        take_states.begin_to_follow()
        if takes.look_again():
            redraw()
    if take_states.sync_on(mine(), until) | takes.search_on(until):  # evaluates both
        redraw()


def mine() -> tuple[str, ...]:
    """Jobs of this Blender's own worker, the running one first."""
    return tuple(_now.queue.jobs.order)


def _pause() -> float | None:
    looking = backend_models.fetching() or takes.searching() or take_states.syncing()
    if _now.queue.jobs.order or _now.notifications.busy or looking:
        return SECONDS_BUSY
    return SECONDS_IDLE if _now.queue.busy or take_states.followed() or takes.watching() else None


def sync_takes() -> None:
    """Updates all takes from their folders. If there are many, the timer continues."""
    take_states.sync(mine(), float("inf") if bpy.app.background else time.monotonic() + BUDGET)
    wake()


def refresh_models(context: bpy.types.Context) -> None:
    """Asks for the models again, because the backend or its models may have changed. Problem when there is no
    backend."""
    ask_for_models(context)
    wake()


def look_at_takes() -> None:
    """Updates the takes of the open file, and looks for jobs without a take."""
    with catching(_show_problem):
        sync_takes()
        takes.begin_search()


def register() -> None:
    """The open file may have takes, but an add-on must not read files while it is being enabled."""
    bpy.app.timers.register(look_at_takes, first_interval=SECONDS_BUSY)


def unregister() -> None:
    """Quitting Blender must not wait for jobs: the worker finishes those that the user wants finished."""
    _now.queue.release(JOBS_TO_FINISH[when_closing(bpy.context)])
    backend_models.forget()
    for timer in filter(bpy.app.timers.is_registered, (tick, look_at_takes)):
        bpy.app.timers.unregister(timer)
    session.reset(_now)
