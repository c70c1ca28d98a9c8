"""Options and results of placing, and custom properties that mark which take a strip, image or object shows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import bpy

from .finished_job import FinishedJob

JOB, SHOT, NAME = "motionclone_job", "motionclone_shot", "motionclone_name"

User = TypeVar("Shower", bound=bpy.types.bpy_struct)


def mark(owner: bpy.types.bpy_struct, job: FinishedJob) -> None:
    owner[JOB], owner[SHOT] = job.id, job.shot


def job_shown(owner: bpy.types.bpy_struct) -> str:
    """The job's id, or "" if MotionClone did not place it."""
    return str(owner.get(JOB, ""))


def shows_shot(owner: bpy.types.bpy_struct, job: FinishedJob) -> bool:
    return str(owner.get(SHOT, "")) == job.shot


def same_take(owners: Iterable[User], last: User) -> list[User]:
    """All that show the same take as `last`: both halves of a cut strip show it."""
    return [owner for owner in owners if job_shown(owner) == job_shown(last)]


def give_name(owner: bpy.types.bpy_struct, name: str) -> None:
    owner.name = owner[NAME] = name


def has_given_name(owner: bpy.types.bpy_struct) -> bool:
    """False when the user renamed it; then the name is kept. The suffix ".001" of a copy does not count."""
    return re.sub(r"\.\d{3,}$", "", owner.name) == owner.get(NAME)


@dataclass(frozen=True, kw_only=True)
class PlacementOptions:
    """replace: an earlier take of the same shot is replaced; keep_view: see colors.neutralize_view."""

    replace: bool = True
    keep_view: bool = False


@dataclass(frozen=True, kw_only=True)
class Placement:
    """name: of the strip, material, object, camera or node; replaced: the other job that was there before, or ""; text:
    what was done; note: what happened to colors."""

    name: str
    replaced: str
    text: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.text}. {self.note}" if self.note else self.text
