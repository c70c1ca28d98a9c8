"""What is asked of placing, what came of it, and the marks that tell which take a strip, image or object shows."""

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
    """The job's id, or "" for what was not placed by MotionClone."""
    return str(owner.get(JOB, ""))


def shows_shot(owner: bpy.types.bpy_struct, job: FinishedJob) -> bool:
    return str(owner.get(SHOT, "")) == job.shot


def same_take(owners: Iterable[User], last: User) -> list[User]:
    """All that show what `last` shows: a strip that was cut shows its take in both halves."""
    return [owner for owner in owners if job_shown(owner) == job_shown(last)]


def give_name(owner: bpy.types.bpy_struct, name: str) -> None:
    owner.name = owner[NAME] = name


def has_given_name(owner: bpy.types.bpy_struct) -> bool:
    """False when the user gave it another, which stays. Blender's own ".001" after a copy is not the user's."""
    return re.sub(r"\.\d{3,}$", "", owner.name) == owner.get(NAME)


@dataclass(frozen=True, kw_only=True)
class PlacementOptions:
    """replace: an earlier take of the same shot goes from its place; keep_view: see colours.tend_view."""

    replace: bool = True
    keep_view: bool = False


@dataclass(frozen=True, kw_only=True)
class Placement:
    """name: of the strip, material, object, camera or node; replaced: the other job that was there before, or "";
    text: what was done; note: what became of colours."""

    name: str
    replaced: str
    text: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.text}. {self.note}" if self.note else self.text
