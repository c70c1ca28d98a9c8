"""The states that takes show, updated from their jobs' folders, which hold everything."""

from __future__ import annotations

import json
import time
import traceback
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from ...backend.job_folder.cancel_request import cancel_requested, request_cancel
from ...backend.job_folder.lock import is_locked
from ...backend.job_folder.problem import Problem, Sentence, templates_of, with_templates
from ...backend.job_folder.reading import read_json
from ...backend.job_folder.state import CANCELLED, DONE, FAILED, QUEUED, JobState, read_state
from ..job_note import is_awaited, read_note
from ..properties import NO_SCORE, MotionCloneTake
from ..session import session
from ..wrapping import shown, shown_line
from .take_folders import GONE, folder_of, own_folder

ELSEWHERE = "This job is running in another Blender or worker."
CANCELLING = "This job is being cancelled."
AWAITED = JobState(state=QUEUED, message="The worker for this job is starting.")
UNDONE = JobState(state=QUEUED, message="The job did not finish.", hint="Run it again.")
FAR = JobState(
    message="The job's folder contains links, or is neither in the jobs folder nor next to this file. It "
    "is not read without your permission.",
    hint="If you trust this file, open the take's folder or place the take.",
)
MAX_RESULT, MAX_NOTES = 1_000_000, 8  # bytes of result.json, and notes that are shown


@dataclass
class _Now:
    """Which takes are followed, and what is known about their jobs' ends.

    to_look_at: scene names and jobs of takes whose folders have to be checked; asked: folders whose workers were asked
    to cancel; told: jobs that this Blender saw end or offered; unseen: job -> folder, of listed takes that finished
    while this Blender was not watching.
    """

    to_look_at: deque[tuple[str, str]] = field(default_factory=deque)
    followed: bool = False
    asked: set[Path] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    unseen: dict[str, Path] = field(default_factory=dict)


_now = session.part(_Now)


def named(job: str) -> Iterator[tuple[bpy.types.Scene, MotionCloneTake]]:
    """The takes of that job in all scenes that can be changed."""
    for scene in _scenes():
        if take := scene.motionclone.takes.get(job):
            yield scene, take


def make_active(job: str) -> None:
    """Makes the job's take active in each scene that has it."""
    for scene, take in named(job):
        scene.motionclone.take_index = scene.motionclone.takes.find(take.name)


def update(job: str, state: JobState) -> None:
    """Updates the takes of a job of this Blender's own worker."""
    if state.state == DONE:
        withdraw(job)
    for _, take in named(job):
        show(take, state)


def show(take: MotionCloneTake, state: JobState) -> bool:
    """Shows the state in the take. Returns whether the take changed."""
    score, notes = _result_of(take) if state.state == DONE else (NO_SCORE, [])
    now = {
        "state": state.state,
        "message": shown(state.message),
        "hint": shown(state.hint),
        "repair": shown_line(state.repair),
        "notes": "\n".join(notes),
        "templates": json.dumps(templates_of((state.message, state.hint, *notes))),
    }
    changed = {name: value for name, value in now.items() if getattr(take, name) != value}
    for name, value in changed.items():
        setattr(take, name, value)
    if abs(take.score - score) > 1e-6:
        take.score = score
    return bool(changed)


def state_of(take: MotionCloneTake) -> JobState:
    """The state that its folder contains."""
    folder = folder_of(take)
    if folder is None:
        return GONE if own_folder(take) else _as_told(take)
    # In this order, because a worker may take or end the job in between.
    awaited, locked, state = is_awaited(folder, read_note(folder)), is_locked(folder), read_state(folder)
    if awaited or (locked and not state.finished):
        _now.followed = True
        said = CANCELLING if cancel_requested(folder) else ELSEWHERE
        return AWAITED if awaited else JobState(state=state.state, message=said)
    return state if state.finished else UNDONE


def finished_unseen(scene: bpy.types.Scene) -> list[Path]:
    """Folders of listed takes that the scene would have placed if it had seen them end."""
    if scene.motionclone.placement == "NONE":
        return []
    listed = scene.motionclone.takes
    return [folder for job, folder in _now.unseen.items() if (take := listed.get(job)) and not take.placement]


def withdraw(job: str) -> None:
    """Marks the job's end as known."""
    _now.told.add(job)
    _now.unseen.pop(job, None)


def with_a_worker(take: MotionCloneTake) -> bool:
    """Whether the worker of another Blender has the take's job, or is about to take it."""
    return take.message in (ELSEWHERE, CANCELLING, AWAITED.message)


def can_be_asked(take: MotionCloneTake) -> bool:
    """Whether that worker can still be asked to cancel the job."""
    return take.message == ELSEWHERE


def ask_to_cancel(folder: Path) -> None:
    """Asks the worker of the job in the folder, whoever started it, to cancel it. Problem."""
    if not is_locked(folder):
        raise Problem("No worker is running the job in {folder}.", "It may already have ended.").about(
            folder=shown(str(folder))
        )
    try:
        request_cancel(folder)
    except OSError as error:
        raise Problem(
            "The job folder {folder} cannot be written ({reason}).", "Free disk space, or allow writing there."
        ).about(folder=shown(str(folder)), reason=error.strerror) from None
    _now.asked.add(folder)


def was_asked(folder: Path) -> bool:
    """Whether this Blender has asked a worker to cancel that job."""
    return folder in _now.asked


def _as_told(take: MotionCloneTake) -> JobState:
    """The state of a take whose folder is out of reach. An end that is stored in the .blend is trusted."""
    state = take.state if take.state in (DONE, FAILED, CANCELLED) else QUEUED
    return JobState(state=state, message=FAR.message, hint=FAR.hint)


# Checking folders is slow when there are many takes or the disk is slow, so it is done in pieces.


def begin_sync() -> None:
    """Queues all takes to be checked."""
    _now.followed = False
    _now.to_look_at.clear()
    _now.to_look_at.extend((scene.name, take.name) for scene in _scenes() for take in scene.motionclone.takes)


def begin_to_follow() -> None:
    """Queues unfinished takes again, if another worker has the job of one of them."""
    if not _now.followed or _now.to_look_at:
        return
    _now.followed = False
    takes = [(scene.name, take) for scene in _scenes() for take in scene.motionclone.takes]
    _now.to_look_at.extend((name, take.name) for name, take in takes if take.state not in (DONE, FAILED, CANCELLED))


def sync_on(mine: Collection[str], until: float) -> bool:
    """Checks takes until that time (of time.monotonic). Returns whether one changed. mine: jobs of this Blender's own
    worker, which reports them itself."""
    changed = False
    while _now.to_look_at and time.monotonic() < until:
        scene, job = _now.to_look_at.popleft()
        take = bpy.data.scenes[scene].motionclone.takes.get(job) if scene in bpy.data.scenes else None
        if take and job not in mine:
            changed |= look_at(take)
    return changed


def look_at(take: MotionCloneTake) -> bool:
    """Returns whether the take changed. An error in its folder does not stop the takes after it."""
    before = take.state
    try:
        changed = show(take, state_of(take))
        if before != DONE == take.state and take.name not in _now.told and (folder := folder_of(take)):
            _now.unseen[take.name] = folder
        return changed
    except Exception as error:
        traceback.print_exc()
        message = Sentence("The job's folder has invalid contents: {name}.", name=type(error).__name__)
        return show(take, JobState(state=FAILED, message=message, hint="Remove the take, or run it again."))


def sync(mine: Collection[str], until: float = float("inf")) -> None:
    """Updates all takes from their folders. `sync_on` continues with what is not done by then."""
    begin_sync()
    sync_on(mine, until)


def syncing() -> bool:
    return bool(_now.to_look_at)


def followed() -> bool:
    """Whether another worker has the job of a take."""
    return _now.followed


def forget() -> None:
    """Called when another file is opened."""
    session.reset(_now)


def _scenes() -> Iterator[bpy.types.Scene]:
    """The scenes that can be changed."""
    return (scene for scene in bpy.data.scenes if scene.is_editable)


def _result_of(take: MotionCloneTake) -> tuple[float, list[str]]:
    """Score and notes of a finished take. Unchanged when its folder is out of reach."""
    folder = folder_of(take)
    return _result(folder) if folder else (take.score, take.shown_notes)


def _result(folder: Path) -> tuple[float, list[str]]:
    try:
        result = read_json(folder / "result.json", MAX_RESULT)
    except (OSError, ValueError):
        return NO_SCORE, []
    result = result if isinstance(result, dict) else {}
    score, notes = result.get("motion_score"), result.get("notes")
    said = [shown_line(note) for note in notes if isinstance(note, str)] if isinstance(notes, list) else []
    known = isinstance(score, int | float) and -1 <= score <= 1
    return float(score) if known else NO_SCORE, with_templates(said[:MAX_NOTES], result.get("templates"))
