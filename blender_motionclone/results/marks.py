"""Which take a strip, image or object shows: custom properties, which survive renaming, copying and saving."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

import bpy

from .finished_job import FinishedJob

JOB, SHOT, NAME = "motionclone_job", "motionclone_shot", "motionclone_name"

Shower = TypeVar("Shower", bound=bpy.types.bpy_struct)


def mark(owner: bpy.types.bpy_struct, job: FinishedJob) -> None:
    owner[JOB], owner[SHOT] = job.id, job.shot


def job_shown(owner: bpy.types.bpy_struct) -> str:
    """The job's id, or "" for what was not placed by MotionClone."""
    return str(owner.get(JOB, ""))


def shows_shot(owner: bpy.types.bpy_struct, job: FinishedJob) -> bool:
    return str(owner.get(SHOT, "")) == job.shot


def same_take(owners: Iterable[Shower], last: Shower) -> list[Shower]:
    """All that show what `last` shows: a strip that was cut shows its take in both halves."""
    return [owner for owner in owners if job_shown(owner) == job_shown(last)]


def give_name(owner: bpy.types.bpy_struct, name: str) -> None:
    owner.name = owner[NAME] = name


def has_given_name(owner: bpy.types.bpy_struct) -> bool:
    """False when the user gave it another, which stays. Blender's own ".001" after a copy is not the user's."""
    return re.sub(r"\.\d{3,}$", "", owner.name) == owner.get(NAME)
