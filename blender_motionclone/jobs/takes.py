"""The takes of the scenes, kept in step with the job folders that hold everything."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import bpy

from ...backend.wire.folder_lock import is_locked
from ...backend.wire.job_state import CANCELLED, DONE, FAILED, QUEUED, JobState, read_state
from ...backend.wire.request import RequestError, read_request
from ..capture.job_folder import read_place
from ..errors import UserError
from ..preferences import jobs_folder
from ..properties import NO_SCORE, MotionCloneTake
from .job_home import Home, note_home
from .job_offers import Offer, search

ELSEWHERE = "Another Blender, or a worker of its own, has this job."
UNDONE = JobState(state=QUEUED, message="The job was left before it was done.", hint="Run it again.")
GONE = JobState(
    state=FAILED,
    message="The job's folder is gone.",
    hint="Put it back, choose the Jobs Folder it is in now, or remove the take.",
)

_session: dict[str, tuple[str, Path]] = {}  # job -> scene's name and folder, of the takes that this file got since
_offers: list[Offer] = []
_search: Iterator[Offer | None] | None = None
_followed = False


def add_take(scene: bpy.types.Scene, folder: Path, state: JobState | None = None) -> MotionCloneTake:
    """A take of that job, or the one there is; it becomes the active one. UserError when the folder is no job's.

    state: how the job stands, if the folder does not tell yet.
    """
    try:
        request = read_request(folder)
    except RequestError as error:
        raise UserError(str(error), "Choose a folder that MotionClone made.") from None
    settings = scene.motionclone
    settings.key = settings.key or secrets.token_hex(8)
    note_home(folder, home_of(scene), scene.frame_start)
    take = settings.takes.get(folder.name) or settings.takes.add()
    take.name, take.folder = folder.name, str(folder)
    take.prompt, take.seed, take.frames = request.prompt, request.seed, request.shot.frames
    take.frame_start, take.camera = read_place(folder, scene.frame_start)
    settings.take_index = settings.takes.find(take.name)
    settings.last_job = str(folder)
    _session[take.name] = scene.name, folder
    _show(take, state or _state_of(take))
    return take


def remove_take(scene: bpy.types.Scene, job: str) -> None:
    settings = scene.motionclone
    _session.pop(job, None)
    settings.takes.remove(settings.takes.find(job))
    settings.take_index = max(0, min(settings.take_index, len(settings.takes) - 1))


def take_of(scene: bpy.types.Scene, job: str) -> MotionCloneTake:
    """The take of that job; for "" the active one. UserError when there is none."""
    settings = scene.motionclone
    if not job and 0 <= settings.take_index < len(settings.takes):
        return settings.takes[settings.take_index]
    if not (take := settings.takes.get(job)):
        what = f"no take {job!r}" if job else "no take yet"
        raise UserError(f"Scene {scene.name!r} has {what}.", "Generate one first.")
    return take


def named(job: str) -> Iterator[tuple[bpy.types.Scene, MotionCloneTake]]:
    """The takes of that job in all scenes that can be changed."""
    for scene in bpy.data.scenes:
        if scene.is_editable and (take := scene.motionclone.takes.get(job)):
            yield scene, take


def update(job: str, state: JobState) -> None:
    """Lets its takes show how a job stands."""
    for _, take in named(job):
        _show(take, state)


def sync(mine: Collection[str]) -> None:
    """Lets all takes show what their folders say. mine: jobs of this Blender's own worker."""
    global _followed
    _followed = False
    for scene in bpy.data.scenes:
        if scene.is_editable:
            for take in scene.motionclone.takes:
                _sync(take, mine)


def follow(mine: Collection[str]) -> bool:
    """Looks again at takes that are not done and not ours; -> whether one of them changed."""
    global _followed
    if not _followed:
        return False
    _followed = False
    takes = [take for scene in bpy.data.scenes if scene.is_editable for take in scene.motionclone.takes]
    return any([_sync(take, mine) for take in takes if take.state not in (DONE, FAILED, CANCELLED)])


def followed() -> bool:
    """Whether another worker has the job of one of the takes."""
    return _followed


def bring_back() -> None:
    """After an undo: it takes back what the user did, not what was asked of the worker."""
    for job, (name, folder) in list(_session.items()):
        scene = bpy.data.scenes.get(name)
        if scene and job not in scene.motionclone.takes and folder.is_dir():
            add_take(scene, folder)


def forget_session() -> None:
    """Another file is being opened."""
    global _search, _followed
    _session.clear()
    _offers.clear()
    _search, _followed = None, False


def folder_of(take: MotionCloneTake) -> Path | None:
    """Where its job lies: where it was made, or in the present jobs folder; None if in neither."""
    places = Path(bpy.path.abspath(take.folder)), jobs_folder(bpy.context) / take.name
    return next((place for place in places if place.is_dir()), None)


def existing_folder(take: MotionCloneTake) -> Path:
    """UserError when it is gone."""
    if folder := folder_of(take):
        return folder
    raise UserError(f"{GONE.message} It was {take.folder}.", GONE.hint)


def home_of(scene: bpy.types.Scene) -> Home:
    return Home(scene=scene.name, key=scene.motionclone.key, file=bpy.data.filepath)


# Offers.


def begin_search() -> None:
    """Looks for jobs of this file that no take names; `search_on` goes on with it."""
    global _search
    _offers.clear()
    homes = [home_of(scene) for scene in bpy.data.scenes if scene.is_editable]
    _search = search(jobs_folder(bpy.context), homes)


def search_on(seconds: float = float("inf")) -> bool:
    """Whether something was found in that time."""
    global _search
    until, before = time.monotonic() + seconds, len(_offers)
    while _search and time.monotonic() < until:
        try:
            if offer := next(_search):
                _offers.append(offer)
        except StopIteration:
            _search = None
    return len(_offers) > before


def search_all() -> None:
    """At one go, for whoever asks for what there is now."""
    begin_search()
    search_on()


def searching() -> bool:
    return _search is not None


def finished_elsewhere(scene: bpy.types.Scene) -> list[Path]:
    """Jobs of this scene that were done while nobody looked, and that no take names."""
    found = _offers_to(scene)
    return [offer.folder for offer in found if offer.done and offer.job not in scene.motionclone.takes]


def unfinished(scene: bpy.types.Scene) -> list[Path]:
    """Jobs of this scene that were left queued or running."""
    return [offer.folder for offer in _offers_to(scene) if offer.undone]


def withdraw_offer(folder: Path) -> None:
    _offers[:] = [offer for offer in _offers if offer.folder != folder]


def _offers_to(scene: bpy.types.Scene) -> list[Offer]:
    home = home_of(scene)
    return [offer for offer in _offers if home.owns(offer.note)]


# What a take shows.


def _sync(take: MotionCloneTake, mine: Collection[str]) -> bool:
    return take.name not in mine and _show(take, _state_of(take))


def _state_of(take: MotionCloneTake) -> JobState:
    """As its folder tells."""
    global _followed
    folder = folder_of(take)
    if folder is None:
        return GONE
    state = read_state(folder)
    if state.finished:
        return state
    if not is_locked(folder):
        return UNDONE
    _followed = True
    return JobState(state=state.state, message=ELSEWHERE)


def _show(take: MotionCloneTake, state: JobState) -> bool:
    """Whether it was not shown before."""
    folder = folder_of(take)
    score = _score(folder) if folder and state.state == DONE else NO_SCORE
    shown = {"state": state.state, "message": state.message, "hint": state.hint}
    changed = {name: value for name, value in shown.items() if getattr(take, name) != value}
    for name, value in changed.items():
        setattr(take, name, value)
    if abs(take.score - score) > 1e-6:
        take.score = score
    return bool(changed)


def _score(folder: Path) -> float:
    try:
        score = json.loads((folder / "result.json").read_text(encoding="utf-8"))["motion_score"]
    except (OSError, ValueError, KeyError, TypeError):
        return NO_SCORE
    return float(score) if isinstance(score, int | float) else NO_SCORE
