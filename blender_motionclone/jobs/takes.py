"""The takes that scenes list, and the jobs that are offered to be listed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from ...backend.job_folder.problem import Problem, Sentence
from ...backend.job_folder.request import RequestError, read_request
from ...backend.job_folder.state import JobState
from .. import reach
from ..job_note import Owner, note_owner, read_shot
from ..preferences import jobs_folder
from ..properties import SEEDS, MotionCloneTake
from ..session import session
from ..wrapping import shown
from . import take_states
from .job_files import is_job_name
from .recovery import MAX, Offer, offer_of, search


@dataclass
class _Now:
    """The search for jobs without a take, and its results. new: job -> scene name and folder, of takes added since the
    file was opened."""

    new: dict[str, tuple[str, Path]] = field(default_factory=dict)
    offers: list[Offer] = field(default_factory=list)
    search: Iterator[Offer | None] | None = None


_now = session.part(_Now)


def add_take(scene: bpy.types.Scene, folder: Path, state: JobState | None = None) -> MotionCloneTake:
    """Adds a take of that job, or finds the existing one, and makes it active. Problem when the folder has no job.

    folder: made in this session or chosen by the user. state: the job's state, if the folder does not tell yet.
    """
    if not is_job_name(folder.name):
        raise Problem("The folder name {folder} is not a valid name for a take.", "Rename the folder.").about(
            folder=f"{folder.name!a}"
        )
    try:
        request = read_request(folder)
    except RequestError as error:
        raise Problem(error.text, "Choose a folder that was made by MotionClone.") from None
    if not 0 <= request.seed < SEEDS:
        raise Problem(
            "The seed in {folder} is {seed}, but seeds are between 0 and {seeds}.", "Correct it in job.json."
        ).about(folder=folder, seed=request.seed, seeds=SEEDS - 1)
    settings = scene.motionclone
    start, camera = read_shot(folder, scene.frame_start)
    settings.key = settings.key or secrets.token_hex(8)
    note_owner(folder, owner_of(scene), scene.frame_start)
    reach.choose(str(folder))
    take = settings.takes.get(folder.name) or settings.takes.add()
    take.name, take.folder = folder.name, str(folder)
    take.prompt, take.whole_seed, take.frames = shown(request.prompt), request.seed, request.shot.frames
    take.frame_start, take.camera = start, camera
    settings.take_index = settings.takes.find(take.name)
    settings.last_job = str(folder)
    _now.new[take.name] = scene.name, folder
    take_states.show(take, state or take_states.state_of(take))
    return take


def remove_take(scene: bpy.types.Scene, job: str) -> None:
    settings = scene.motionclone
    _now.new.pop(job, None)
    settings.takes.remove(settings.takes.find(job))
    settings.take_index = max(0, min(settings.take_index, len(settings.takes) - 1))


def take_of(scene: bpy.types.Scene, job: str) -> MotionCloneTake:
    """The take of that job; for "" the active one. Problem when there is none."""
    settings = scene.motionclone
    if not job and 0 <= settings.take_index < len(settings.takes):
        return settings.takes[settings.take_index]
    if not (take := settings.takes.get(job)):
        what = Sentence("no take {job}", job=repr(job)) if job else Sentence("no take yet")
        raise Problem("Scene {scene} has {what}.", "Generate a take first.").about(scene=repr(scene.name), what=what)
    return take


def list_again() -> None:
    """After an undo, lists the takes of submitted jobs again, because they still run."""
    for job, (name, folder) in list(_now.new.items()):
        scene = bpy.data.scenes.get(name)
        if scene and job not in scene.motionclone.takes and folder.is_dir():
            with suppress(Problem):  # its files are gone
                add_take(scene, folder)


def forget_session() -> None:
    """Called when another file is opened."""
    session.reset(_now)
    take_states.forget()


def owner_of(scene: bpy.types.Scene) -> Owner:
    return Owner(scene=scene.name, key=scene.motionclone.key, file=bpy.data.filepath)


# Offers


def begin_search() -> None:
    """Starts looking for jobs of this file without a take; `search_on` continues."""
    _now.offers.clear()
    try:
        _now.search = search(jobs_folder(bpy.context), _owners())
    except Problem:  # the panels show what is wrong with the preference
        _now.search = None


def search_on(until: float = float("inf")) -> bool:
    """Continues until that time (of time.monotonic). Returns whether something was found."""
    before = len(_now.offers)
    while _now.search and time.monotonic() < until:
        try:
            if offer := next(_now.search):
                _now.offers.append(offer)
        except StopIteration:
            _now.search = None
        if len(_now.offers) >= MAX:  # the others are offered when these were added or dismissed
            _now.search = None
    return len(_now.offers) > before


def search_all() -> None:
    """Completes the search now."""
    begin_search()
    search_on()


def searching() -> bool:
    return _now.search is not None


def look_again() -> bool:
    """Checks jobs that a worker was running. Returns whether one can be offered now."""
    ended = [offer for offer in _now.offers if offer.out_of_work]
    for offer in ended:
        _now.offers.remove(offer)
        if now := offer_of(offer.folder, _owners()):
            _now.offers.append(now)
    return bool(ended)


def watching() -> bool:
    """Whether a worker is running a job that may be offered later."""
    return any(offer.at_work for offer in _now.offers)


def finished_elsewhere(scene: bpy.types.Scene) -> list[Path]:
    """Finished jobs of this scene that no take lists, or whose take was not placed yet."""
    listed = scene.motionclone.takes
    unlisted = [offer.folder for offer in _offers_to(scene) if offer.done and offer.job not in listed]
    return unlisted + take_states.finished_unseen(scene)


def unfinished(scene: bpy.types.Scene) -> list[Path]:
    """Unfinished jobs of this scene, in the order in which they were submitted."""
    left = [offer for offer in _offers_to(scene) if offer.undone]
    return [offer.folder for offer in sorted(left, key=lambda offer: offer.note.get("handed_over", 0.0))]


def at_work(scene: bpy.types.Scene) -> list[Path]:
    """Jobs of this scene that any worker is running."""
    owner = owner_of(scene)
    return [offer.folder for offer in _now.offers if offer.at_work and owner.owns(offer.note)]


def withdraw_offer(folder: Path) -> None:
    _now.offers[:] = [offer for offer in _now.offers if offer.folder != folder]
    take_states.withdraw(folder.name)


def _offers_to(scene: bpy.types.Scene) -> list[Offer]:
    owner = owner_of(scene)
    return [offer for offer in _now.offers if not offer.at_work and owner.owns(offer.note)]


def _owners() -> list[Owner]:
    return [owner_of(scene) for scene in bpy.data.scenes if scene.is_editable]
