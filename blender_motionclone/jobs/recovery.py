"""Jobs of this .blend that no take lists: finished while it was closed, or not finished. Without bpy."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...backend.job_folder.lock import is_locked
from ...backend.job_folder.state import DONE, JobState, read_state
from ..job_note import Owner, is_awaited, read_note
from .job_files import is_job, is_job_name

MAX = 200  # offers at a time, as many as can wait in the queue


@dataclass(frozen=True, kw_only=True)
class Offer:
    """at_work: whether a worker is still running the job, perhaps that of a Blender that was killed, or is about to. It
    is not offered yet."""

    folder: Path
    state: JobState
    note: dict[str, Any] = field(repr=False)
    at_work: bool = False

    @property
    def job(self) -> str:
        return self.folder.name

    @property
    def done(self) -> bool:
        return self.state.state == DONE

    @property
    def undone(self) -> bool:
        """Whether it was left queued or running. Failed and cancelled jobs have ended."""
        return not self.state.finished

    @property
    def out_of_work(self) -> bool:
        """Whether the worker that had it no longer has it."""
        return self.at_work and not _at_work(self.folder, self.note)


def search(jobs: Path, owners: Sequence[Owner]) -> Iterator[Offer | None]:
    """Checks one folder after the other, the newest first. Yields None for one that is not offered."""
    try:
        with os.scandir(jobs) as entries:
            names = sorted((entry.name for entry in entries if is_job_name(entry.name)), reverse=True)
    except OSError:
        return
    for name in names:
        yield offer_of(jobs / name, owners)


def offer_of(folder: Path, owners: Sequence[Owner]) -> Offer | None:
    """None when the job is not theirs, or has failed or was cancelled."""
    note = read_note(folder)
    if note.get("dismissed") or not any(owner.owns(note) for owner in owners):
        return None
    if not is_job(folder):
        return None
    at_work = _at_work(folder, note)  # before reading the state, which may change to its last one meanwhile
    offer = Offer(folder=folder, state=read_state(folder), note=note, at_work=at_work)
    return offer if at_work or offer.done or offer.undone else None


def _at_work(folder: Path, note: dict[str, Any]) -> bool:
    return is_awaited(folder, note) or is_locked(folder)  # in this order, because a worker may lock it in between
