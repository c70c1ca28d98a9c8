"""Owns the worker's client: one timer hears the worker, keeps takes in step and minds what else goes on beside."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from ...backend.job_folder.state import JobState
from ..errors import UserError
from ..job_note import note_handing_over
from ..preferences import FINISH_ALL, FINISH_RUNNING, STOP, when_closing
from ..session import session
from ..setup import backend_models
from ..showing import redraw
from ..tick_times import BUDGET, Tick, surviving, timed
from . import take_states, takes
from .backend_calls import ask_for_models, start_of
from .job_queue import MOST_JOBS, JobQueue
from .job_states import WorkerStatus
from .notifications import Notifications

SECONDS_BUSY, SECONDS_IDLE = 0.1, 0.5  # between ticks: while something is asked for, and while a worker is there
JOBS_TO_FINISH = {FINISH_ALL: MOST_JOBS, FINISH_RUNNING: 1, STOP: 0}  # when Blender closes
SECONDS_BETWEEN_LOOKS = 2.0  # at folders in which a worker of another Blender works


@dataclass
class _Now:
    """The client of the worker, and what it told. capture: pictures that are done, and of how many."""

    queue: JobQueue = field(default_factory=JobQueue)
    notifications: Notifications = field(default_factory=Notifications)
    problem: UserError | None = None
    capture: tuple[int, int] | None = None
    looked: float = 0.0


_now = session.part(_Now)


# What panels ask. All of it is known already.


def running() -> str | None:
    """The job at the head of the queue: it runs, or will as soon as the worker is there."""
    return next(iter(_now.queue.jobs.order), None)


def waiting() -> tuple[str, ...]:
    return tuple(_now.queue.jobs.order[1:])


def state(job: str) -> JobState:
    """Of a job of this session; "queued" for others."""
    return _now.queue.jobs.states.get(job, JobState())


def preview(job: str) -> Path | None:
    """A strip of small frames; each preview takes the place of the one before."""
    return _now.queue.jobs.previews.get(job, (0, None))[1]


def preview_step(job: str) -> int:
    """After which step the preview was made, so that a new one is noticed; 0 for none."""
    return _now.queue.jobs.previews.get(job, (0, None))[0]


def worker() -> WorkerStatus:
    return _now.queue.jobs.worker


def capture() -> tuple[int, int] | None:
    """(done, of) pictures of a capture that goes on."""
    return _now.capture


def problem() -> UserError | None:
    """The last thing that went wrong without an operator to report it."""
    return _now.problem


def clear_problem() -> None:
    _now.problem = _now.queue.problem = _now.notifications.problem = None


# What operators do.


def start_worker(context: bpy.types.Context) -> None:
    """UserError when it cannot be started."""
    _now.queue.start(start_of(context))
    wake()


def stop_worker() -> None:
    """At the running job's next step; what is not done stays in its folder, to be run again."""
    _now.notifications.note({job: state(job) for job in _now.queue.stop()})
    wake()


def submit(context: bpy.types.Context, folder: Path) -> str:
    """-> the job's id."""
    note_handing_over(folder)
    job = _now.queue.submit(start_of(context), folder)
    wake()
    return job


def cancel(job: str) -> None:
    _now.queue.cancel(job)


def remove(job: str) -> None:
    """Takes a waiting job out of the queue."""
    _now.queue.remove(job)


def move(job: str, position: int) -> None:
    """position: how many waiting jobs go before it."""
    _now.queue.move(job, position)


def watch(job: str) -> None:
    """Plays the take when it is done."""
    _now.notifications.watch(job)


def place(jobs: Sequence[str]) -> None:
    """Puts finished takes where their scenes want them, as if they had ended just now. From a script: at once."""
    for job in jobs:
        _now.notifications.place(job)
    wake()
    if bpy.app.background:  # no timer runs
        wait(jobs)


def lost() -> tuple[str, ...]:
    """Jobs that ended with their worker and have not been run again."""
    return tuple(job for job in _now.queue.lost if _now.queue.jobs.folders[job].is_dir())


def give_up_lost() -> None:
    """They are not to be run again all at once; each take still can be."""
    _now.queue.lost.clear()


def folder(job: str) -> Path:
    """Of a job of this session."""
    return _now.queue.jobs.folders[job]


def show_capture(progress: tuple[int, int] | None) -> None:
    _now.capture = progress
    redraw()


def wait(jobs: Sequence[str]) -> None:
    """Blocks until they have ended and their takes show it, for scripts and farms. Interrupted, it cancels them."""
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
    """Folders of the scene's jobs that a worker has which is not this Blender's own."""
    return [folder for folder in takes.at_work(scene) if folder.name not in _now.queue.jobs.order]


# The timer.


def wake() -> None:
    """Persistent: opening another file does not stop the jobs, so it must not stop the watching either."""
    if not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=SECONDS_BUSY, persistent=True)


def tick() -> float | None:
    """Looks once at everything that goes on; -> seconds until the next look, None when nothing does."""
    with timed("worker") as this:
        _look(this, time.monotonic() + BUDGET)
    pause: float | None = SECONDS_BUSY
    with surviving(_show_problem):
        pause = _pause()
    return pause


def _look(this: Tick, until: float) -> None:
    """One thing after the other, so that what goes wrong with one keeps none from the rest."""
    changed: dict[str, JobState] = {}
    with surviving(_show_problem):
        changed = _now.queue.pump(BUDGET)
        _now.notifications.note(changed)
    with surviving(_show_problem):
        if backend_models.poll() or changed:
            redraw()
    if not bpy.app.is_job_running("RENDER"):  # Blender may crash when its data changes while it renders
        with surviving(_show_problem):
            if not changed and _now.notifications.place_next():
                this.kind = "placing"
        with surviving(_show_problem):
            _now.notifications.tell(until)
        with surviving(_show_problem):
            _look_elsewhere(until)
    _take_up_problems()


def surviving_errors() -> AbstractContextManager[None]:
    """For what Blender calls: an unexpected error is shown and ends only the block."""
    return surviving(_show_problem)


def _show_problem(error: UserError) -> None:
    _now.problem = error


def _take_up_problems() -> None:
    """How a job failed is told by its take."""
    _now.problem = _now.queue.problem or _now.notifications.problem or _now.problem
    _now.queue.problem = _now.notifications.problem = None


def _look_elsewhere(until: float) -> None:
    """Takes whose jobs run in another Blender, and jobs that no take names."""
    if time.monotonic() - _now.looked > SECONDS_BETWEEN_LOOKS:
        _now.looked = time.monotonic()
        take_states.begin_to_follow()
        if takes.look_again():
            redraw()
    if take_states.sync_on(mine(), until) | takes.search_on(until):  # both
        redraw()


def mine() -> tuple[str, ...]:
    """Jobs that this Blender's own worker has, the running one first."""
    return tuple(_now.queue.jobs.order)


def _pause() -> float | None:
    looking = backend_models.fetching() or takes.searching() or take_states.syncing()
    if _now.queue.jobs.order or _now.notifications.busy or looking:
        return SECONDS_BUSY
    return SECONDS_IDLE if _now.queue.busy or take_states.followed() or takes.watching() else None


def sync_takes() -> None:
    """All takes show what became of their jobs. Where they are many the timer goes on with it, if timers run."""
    take_states.sync(mine(), float("inf") if bpy.app.background else time.monotonic() + BUDGET)
    wake()


def refresh_models(context: bpy.types.Context) -> None:
    """The backend or its models may have changed. UserError when there is no backend to be asked."""
    ask_for_models(context)
    wake()


def look_at_takes() -> None:
    """Of the open file: they show what became of them, and jobs that none of them names are looked for."""
    with surviving(_show_problem):
        sync_takes()
        takes.begin_search()


def register() -> None:
    """The file that is open may have takes, but add-ons must not look into files while they are switched on."""
    bpy.app.timers.register(look_at_takes, first_interval=SECONDS_BUSY)


def unregister() -> None:
    """Blender's end must not wait for jobs: the worker is left to finish those that the user wants finished."""
    _now.queue.let_go(JOBS_TO_FINISH[when_closing(bpy.context)])
    backend_models.forget()
    for timer in filter(bpy.app.timers.is_registered, (tick, look_at_takes)):
        bpy.app.timers.unregister(timer)
    session.reset(_now)
