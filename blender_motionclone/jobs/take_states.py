"""What takes show of their jobs: kept in step with the folders that hold everything."""

from __future__ import annotations

import os
import time
import traceback
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from ...backend.job_folder.cancel_request import cancel_requested, request_cancel
from ...backend.job_folder.lock import is_locked
from ...backend.job_folder.reading import read_json
from ...backend.job_folder.state import CANCELLED, DONE, FAILED, QUEUED, JobState, read_state
from .. import reach
from ..errors import UserError
from ..job_note import is_awaited, read_note
from ..preferences import jobs_folder
from ..properties import NO_SCORE, MotionCloneTake
from ..session import session
from ..wrapping import shown, shown_line
from .job_files import is_job_name

ELSEWHERE = "Another Blender, or a worker of its own, has this job."
CANCELLING = "The worker that has this job was asked to stop it."
AWAITED = JobState(state=QUEUED, message="The worker that will do this job is starting.")
UNDONE = JobState(state=QUEUED, message="The job was left before it was done.", hint="Run it again.")
GONE = JobState(
    state=FAILED,
    message="The job's folder is gone.",
    hint="Put it back, choose the Jobs Folder it is in now, or remove the take.",
)
FAR = JobState(
    message="The job's folder holds links, or is neither in the jobs folder nor beside this file; so nothing is read "
    "from it unasked.",
    hint="If you know this file, open the take's folder or use the take.",
)
MOST_RESULT, MOST_NOTES = 1_000_000, 8  # bytes of result.json, and notes that are shown


@dataclass
class _Now:
    """Which takes are followed, and what is known of the ends of their jobs.

    to_look_at: scenes' names and jobs of takes whose folders are to be looked at; asked: folders whose workers were
    asked to stop; told: jobs that this Blender saw end, or whose end it offered; unseen: job -> folder, of listed takes
    that were done while nobody here looked.
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
    """In the scenes that have it."""
    for scene, take in named(job):
        scene.motionclone.take_index = scene.motionclone.takes.find(take.name)


def update(job: str, state: JobState) -> None:
    """Lets its takes show how a job of this Blender's own worker stands."""
    if state.state == DONE:
        withdraw(job)
    for _, take in named(job):
        show(take, state)


def show(take: MotionCloneTake, state: JobState) -> bool:
    """Whether it was not shown before."""
    score, notes = _result_of(take) if state.state == DONE else (NO_SCORE, "")
    now = {"state": state.state, "message": shown(state.message), "hint": shown(state.hint), "notes": notes}
    changed = {name: value for name, value in now.items() if getattr(take, name) != value}
    for name, value in changed.items():
        setattr(take, name, value)
    if abs(take.score - score) > 1e-6:
        take.score = score
    return bool(changed)


def state_of(take: MotionCloneTake) -> JobState:
    """As its folder tells."""
    folder = folder_of(take)
    if folder is None:
        return GONE if _own_folder(take) else _as_told(take)
    # In this order: a worker may take the job, or end it, at any time between.
    awaited, locked, state = is_awaited(folder, read_note(folder)), is_locked(folder), read_state(folder)
    if awaited or (locked and not state.finished):
        _now.followed = True
        said = CANCELLING if cancel_requested(folder) else ELSEWHERE
        return AWAITED if awaited else JobState(state=state.state, message=said)
    return state if state.finished else UNDONE


def finished_unseen(scene: bpy.types.Scene) -> list[Path]:
    """Of takes that the scene lists and that it would have placed, had it seen them end."""
    if scene.motionclone.placement == "NONE":
        return []
    listed = scene.motionclone.takes
    return [folder for job, folder in _now.unseen.items() if (take := listed.get(job)) and not take.placement]


def withdraw(job: str) -> None:
    """Its end is known now."""
    _now.told.add(job)
    _now.unseen.pop(job, None)


def with_a_worker(take: MotionCloneTake) -> bool:
    """Whether a worker that is not this Blender's own has its job, or is about to take it."""
    return take.message in (ELSEWHERE, CANCELLING, AWAITED.message)


def can_be_asked(take: MotionCloneTake) -> bool:
    """Whether such a worker can still be asked to stop the take's job."""
    return take.message == ELSEWHERE


def ask_to_cancel(folder: Path) -> None:
    """The worker that has the job in the folder, whoever started it, stops it. UserError."""
    if not is_locked(folder):
        raise UserError(f"No worker has the job in {shown(str(folder))}.", "It may have ended already.")
    try:
        request_cancel(folder)
    except OSError as error:
        raise UserError(
            f"The job folder {shown(str(folder))} cannot be written ({error.strerror}).",
            "Make room on the disk, or allow writing there.",
        ) from None
    _now.asked.add(folder)


def was_asked(folder: Path) -> bool:
    """Whether this Blender has asked a worker to stop the job there."""
    return folder in _now.asked


def folder_of(take: MotionCloneTake) -> Path | None:
    """Where its job lies: where it was made, if that may be looked at unasked, or in the present jobs folder; None if
    in neither."""
    folders = _own_folder(take), in_jobs_folder(take)
    return next(
        (folder for folder in folders if folder and os.path.isdir(folder)), None
    )  # False for one that is no path


def in_jobs_folder(take: MotionCloneTake) -> Path | None:
    """Where its job lies if it is in the present jobs folder."""
    with suppress(UserError):
        return jobs_folder(bpy.context) / take.name if is_job_name(take.name) else None
    return None


def existing_folder(take: MotionCloneTake) -> Path:
    """For what the user asks of the take, wherever it lies. UserError when it is gone."""
    reach.choose(take.folder)
    return known_folder(take)


def known_folder(take: MotionCloneTake) -> Path:
    """`folder_of` for what cannot do without. UserError."""
    if folder := folder_of(take):
        return folder
    raise UserError(f"{GONE.message} It was {shown(take.folder)}.", GONE.hint)


def _own_folder(take: MotionCloneTake) -> Path | None:
    """Where it says that it was made, if that may be looked at unasked: the .blend may be a stranger's."""
    folder = reach.named(take.folder)
    return folder if folder and reach.in_reach(folder) else None


def _as_told(take: MotionCloneTake) -> JobState:
    """Of a take whose folder is out of reach: an end that the .blend tells of is believed."""
    state = take.state if take.state in (DONE, FAILED, CANCELLED) else QUEUED
    return JobState(state=state, message=FAR.message, hint=FAR.hint)


# Looking at the folders takes a while where takes are many or the disk is slow, so it can be done in pieces.


def begin_sync() -> None:
    """All takes are to show what their folders say."""
    _now.followed = False
    _now.to_look_at.clear()
    _now.to_look_at.extend((scene.name, take.name) for scene in _scenes() for take in scene.motionclone.takes)


def begin_to_follow() -> None:
    """Those that are not done are to be looked at again, if another worker has the job of one of them."""
    if not _now.followed or _now.to_look_at:
        return
    _now.followed = False
    takes = [(scene.name, take) for scene in _scenes() for take in scene.motionclone.takes]
    _now.to_look_at.extend((name, take.name) for name, take in takes if take.state not in (DONE, FAILED, CANCELLED))


def sync_on(mine: Collection[str], until: float) -> bool:
    """Goes on with it till that time (of time.monotonic); -> whether a take changed. mine: jobs of this Blender's own
    worker, which tells of them itself."""
    changed = False
    while _now.to_look_at and time.monotonic() < until:
        scene, job = _now.to_look_at.popleft()
        take = bpy.data.scenes[scene].motionclone.takes.get(job) if scene in bpy.data.scenes else None
        if take and job not in mine:
            changed |= look_at(take)
    return changed


def look_at(take: MotionCloneTake) -> bool:
    """Whether it changed. Whatever its folder holds, the takes after it are looked at too."""
    before = take.state
    try:
        changed = show(take, state_of(take))
        if before != DONE == take.state and take.name not in _now.told and (folder := folder_of(take)):
            _now.unseen[take.name] = folder
        return changed
    except Exception as error:
        traceback.print_exc()
        message = f"The job's folder cannot be understood: {type(error).__name__}."
        return show(take, JobState(state=FAILED, message=message, hint="Remove the take, or run it again."))


def sync(mine: Collection[str], until: float = float("inf")) -> None:
    """All takes show what their folders say; what is not done till that time is left to `sync_on`."""
    begin_sync()
    sync_on(mine, until)


def syncing() -> bool:
    return bool(_now.to_look_at)


def followed() -> bool:
    """Whether another worker has the job of one of the takes."""
    return _now.followed


def forget() -> None:
    """Another file is being opened."""
    session.reset(_now)


def _scenes() -> Iterator[bpy.types.Scene]:
    """Those that can be changed."""
    return (scene for scene in bpy.data.scenes if scene.is_editable)


def _result_of(take: MotionCloneTake) -> tuple[float, str]:
    """Score and notes of a take that is done; as they were shown before where its folder is out of reach."""
    folder = folder_of(take)
    return _result(folder) if folder else (take.score, take.notes)


def _result(folder: Path) -> tuple[float, str]:
    try:
        result = read_json(folder / "result.json", MOST_RESULT)
    except (OSError, ValueError):
        return NO_SCORE, ""
    result = result if isinstance(result, dict) else {}
    score, notes = result.get("motion_score"), result.get("notes")
    said = [shown_line(note) for note in notes if isinstance(note, str)] if isinstance(notes, list) else []
    known = isinstance(score, int | float) and -1 <= score <= 1
    return float(score) if known else NO_SCORE, "\n".join(said[:MOST_NOTES])
