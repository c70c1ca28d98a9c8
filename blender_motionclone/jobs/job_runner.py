"""Owns the worker's client: one timer hears the worker, keeps takes in step and minds what else goes on beside."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import bpy

from ...backend.wire.job_state import DONE, FAILED, JobState
from ..errors import UserError
from ..preferences import EXTENSION_ROOT, worker_command, worker_is_remote
from ..setup import backend_models
from ..setup.interpreter import current_environment
from ..showing import redraw, show_failures
from . import takes
from .job_board import WorkerStatus
from .job_queue import JobQueue, Start
from .take_places import place_finished

BUDGET = 0.005  # seconds a tick may hear for
SECONDS_BUSY, SECONDS_IDLE = 0.1, 0.5  # between ticks: while something is asked for, and while a worker is there
SECONDS_BETWEEN_LOOKS = 2.0  # at folders in which a worker of another Blender works

worst_tick = 0.0  # milliseconds, of ticks that place nothing
worst_placing = 0.0  # milliseconds; to open a movie and to keep an undo step takes Blender as long as it takes

_queue = JobQueue()
_news: dict[str, JobState] = {}  # not yet shown by the takes
_to_place: list[str] = []
_problem: UserError | None = None
_capture: tuple[int, int] | None = None
_looked = 0.0


# What panels ask. All of it is known already.


def running() -> str | None:
    """The job at the head of the queue: it runs, or will as soon as the worker is there."""
    return next(iter(_queue.board.order), None)


def waiting() -> tuple[str, ...]:
    return tuple(_queue.board.order[1:])


def state(job: str) -> JobState:
    """Of a job of this session; "queued" for others."""
    return _queue.board.states.get(job, JobState())


def preview(job: str) -> Path | None:
    """A strip of small frames; each preview takes the place of the one before."""
    return _queue.board.previews.get(job, (0, None))[1]


def preview_step(job: str) -> int:
    """After which step the preview was made, so that a new one is noticed; 0 for none."""
    return _queue.board.previews.get(job, (0, None))[0]


def worker() -> WorkerStatus:
    return _queue.board.worker


def capture() -> tuple[int, int] | None:
    """(done, of) pictures of a capture that goes on."""
    return _capture


def problem() -> UserError | None:
    """The last thing that went wrong without an operator to report it."""
    return _problem


def clear_problem() -> None:
    global _problem
    _problem = _queue.problem = None


# What operators do.


def start_worker(context: bpy.types.Context) -> None:
    """UserError when it cannot be started."""
    _queue.start(_start(context))
    wake()


def stop_worker() -> None:
    """At the running job's next step; what is not done stays in its folder, to be run again."""
    for job in _queue.stop():
        _news[job] = state(job)
    wake()


def submit(context: bpy.types.Context, folder: Path) -> str:
    """-> the job's id."""
    job = _queue.submit(_start(context), folder)
    wake()
    return job


def cancel(job: str) -> None:
    _queue.cancel(job)


def remove(job: str) -> None:
    """Takes a waiting job out of the queue."""
    _queue.remove(job)


def move(job: str, place: int) -> None:
    """place: how many waiting jobs go before it."""
    _queue.move(job, place)


def lost() -> tuple[str, ...]:
    """Jobs that ended with their worker and have not been run again."""
    return tuple(job for job in _queue.lost if _queue.board.folders[job].is_dir())


def folder(job: str) -> Path:
    """Of a job of this session."""
    return _queue.board.folders[job]


def show_capture(progress: tuple[int, int] | None) -> None:
    global _capture
    _capture = progress
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
    while any(job in pending for pending in (_queue.board.order, _news, _to_place) for job in jobs):
        tick()
        time.sleep(0.02)


def _start(context: bpy.types.Context) -> Start:
    return Start(
        command=tuple(worker_command(context)),
        cwd=EXTENSION_ROOT,
        environment=current_environment(),
        remote=worker_is_remote(context),
    )


# The timer.


def wake() -> None:
    """Persistent: opening another file does not stop the jobs, so it must not stop the watching either."""
    if not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=SECONDS_BUSY, persistent=True)


def tick() -> float | None:
    """Looks once at everything that goes on; -> seconds until the next look, None when nothing does."""
    global worst_tick, worst_placing, _problem
    began, placing = time.perf_counter(), False
    try:
        placing = _look()
    except Exception as error:  # Blender would drop the timer, and all jobs would stand still
        traceback.print_exc()
        _problem = UserError(f"Something unforeseen happened: {error!r}.", "The system console has the details.")
    took = 1000 * (time.perf_counter() - began)
    if placing:
        worst_placing = max(worst_placing, took)
    else:
        worst_tick = max(worst_tick, took)
    return _pause()


def _look() -> bool:
    """Whether the time went into placing a take."""
    global _problem
    changed = _queue.pump(BUDGET)
    _news.update(changed)
    if _queue.problem:
        _problem, _queue.problem = _queue.problem, None
    answered = backend_models.poll()
    if changed or answered:
        redraw()
    if bpy.app.is_job_running("RENDER"):  # Blender may crash when its data changes while it renders
        return False
    if _news:
        _tell_takes()
    elif _to_place:
        return _place(_to_place.pop(0))
    _look_elsewhere()
    return False


def _tell_takes() -> None:
    """Takes show how a job ends, not each of its steps."""
    global _problem
    news = dict(_news)
    _news.clear()
    for job, now in news.items():
        takes.update(job, now)
        if now.state == DONE:
            _to_place.append(job)
    failed = [now for now in news.values() if now.state == FAILED]
    if failed:
        _problem = _problem or UserError(failed[-1].message, failed[-1].hint)
        show_failures(failed)


def _place(job: str) -> bool:
    global _problem
    try:
        place_finished(job)
    except UserError as error:
        _problem = error
    redraw()
    return True


def _look_elsewhere() -> None:
    """Takes whose jobs run in another Blender, and jobs that no take names."""
    global _looked
    if time.monotonic() - _looked > SECONDS_BETWEEN_LOOKS:
        _looked = time.monotonic()
        if takes.follow(mine()):
            redraw()
    if takes.search_on(BUDGET):
        redraw()


def mine() -> tuple[str, ...]:
    """Jobs that this Blender's own worker has, the running one first."""
    return tuple(_queue.board.order)


def _pause() -> float | None:
    if _queue.board.order or _news or _to_place or backend_models.fetching() or takes.searching():
        return SECONDS_BUSY
    return SECONDS_IDLE if _queue.busy or takes.followed() else None


def look_around() -> None:
    """A file was opened: its takes show what became of them, and jobs that none of them names are looked for."""
    takes.sync(mine())
    takes.begin_search()
    if not backend_models.models():
        with suppress(UserError):  # said when the user asks for something
            refresh_models(bpy.context, only_near=True)
    wake()


def refresh_models(context: bpy.types.Context, only_near: bool = False) -> None:
    """Asks the backend anew; only_near: unless it is behind a command of the user's, such as ssh."""
    command = worker_command(context)
    if not (only_near and worker_is_remote(context)):
        backend_models.refresh(command, EXTENSION_ROOT)
        wake()


def register() -> None:
    """Nothing runs yet."""


def unregister() -> None:
    """A running job is left to finish in its folder: Blender's end must not wait for it."""
    global _queue, _capture
    _queue.let_go()
    backend_models.forget()
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    _queue, _capture = JobQueue(), None
    _news.clear()
    _to_place.clear()
    clear_problem()
