"""The takes that the scenes list, and jobs that are offered to be listed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from ...backend.job_folder.request import RequestError, read_request
from ...backend.job_folder.state import JobState
from .. import reach
from ..errors import UserError
from ..job_note import Owner, note_owner, read_shot
from ..preferences import jobs_folder
from ..properties import SEEDS, MotionCloneTake
from ..session import session
from ..wrapping import shown
from . import take_states
from .job_files import is_job_name
from .recovery import MOST, Offer, offer_of, search


@dataclass
class _Now:
    """The search for jobs that no take names, and what it found. new: job -> scene's name and folder, of the takes that
    this file got since it was opened."""

    new: dict[str, tuple[str, Path]] = field(default_factory=dict)
    offers: list[Offer] = field(default_factory=list)
    search: Iterator[Offer | None] | None = None


_now = session.part(_Now)


def add_take(scene: bpy.types.Scene, folder: Path, state: JobState | None = None) -> MotionCloneTake:
    """A take of that job, or the one there is; it becomes the active one. UserError when the folder is no job's.

    folder: made in this session or named by the user. state: how the job stands, if the folder does not tell yet.
    """
    if not is_job_name(folder.name):
        raise UserError(f"The folder name {folder.name!a} cannot be the name of a take.", "Rename the folder.")
    try:
        request = read_request(folder)
    except RequestError as error:
        raise UserError(str(error), "Choose a folder that MotionClone made.") from None
    if not 0 <= request.seed < SEEDS:
        raise UserError(
            f"The seed in {folder} is {request.seed}; seeds lie between 0 and {SEEDS - 1}.", "Correct it in job.json."
        )
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
    """The take of that job; for "" the active one. UserError when there is none."""
    settings = scene.motionclone
    if not job and 0 <= settings.take_index < len(settings.takes):
        return settings.takes[settings.take_index]
    if not (take := settings.takes.get(job)):
        what = f"no take {job!r}" if job else "no take yet"
        raise UserError(f"Scene {scene.name!r} has {what}.", "Generate one first.")
    return take


def bring_back() -> None:
    """After an undo: it takes back what the user did, not what was asked of the worker."""
    for job, (name, folder) in list(_now.new.items()):
        scene = bpy.data.scenes.get(name)
        if scene and job not in scene.motionclone.takes and folder.is_dir():
            with suppress(UserError):  # its files are gone
                add_take(scene, folder)


def forget_session() -> None:
    """Another file is being opened."""
    session.reset(_now)
    take_states.forget()


def owner_of(scene: bpy.types.Scene) -> Owner:
    return Owner(scene=scene.name, key=scene.motionclone.key, file=bpy.data.filepath)


# Offers.


def begin_search() -> None:
    """Looks for jobs of this file that no take names; `search_on` goes on with it."""
    _now.offers.clear()
    try:
        _now.search = search(jobs_folder(bpy.context), _owners())
    except UserError:  # the panels say what is wrong with the preference
        _now.search = None


def search_on(until: float = float("inf")) -> bool:
    """Till that time (of time.monotonic); -> whether something was found."""
    before = len(_now.offers)
    while _now.search and time.monotonic() < until:
        try:
            if offer := next(_now.search):
                _now.offers.append(offer)
        except StopIteration:
            _now.search = None
        if len(_now.offers) >= MOST:  # the others are offered when these are taken or dismissed
            _now.search = None
    return len(_now.offers) > before


def search_all() -> None:
    """At one go, for whoever asks for what there is now."""
    begin_search()
    search_on()


def searching() -> bool:
    return _now.search is not None


def look_again() -> bool:
    """At the jobs that a worker had; -> whether one may be offered now."""
    ended = [offer for offer in _now.offers if offer.out_of_work]
    for offer in ended:
        _now.offers.remove(offer)
        if now := offer_of(offer.folder, _owners()):
            _now.offers.append(now)
    return bool(ended)


def watching() -> bool:
    """Whether a worker has a job that may be offered later."""
    return any(offer.at_work for offer in _now.offers)


def finished_elsewhere(scene: bpy.types.Scene) -> list[Path]:
    """Jobs of this scene that were done while nobody looked: no take names them, or it waits for its place."""
    listed = scene.motionclone.takes
    unlisted = [offer.folder for offer in _offers_to(scene) if offer.done and offer.job not in listed]
    return unlisted + take_states.finished_unseen(scene)


def unfinished(scene: bpy.types.Scene) -> list[Path]:
    """Jobs of this scene that were left queued or running, in the order in which they were handed over."""
    left = [offer for offer in _offers_to(scene) if offer.undone]
    return [offer.folder for offer in sorted(left, key=lambda offer: offer.note.get("handed_over", 0.0))]


def at_work(scene: bpy.types.Scene) -> list[Path]:
    """Jobs of this scene that a worker has, this Blender's own or another."""
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
