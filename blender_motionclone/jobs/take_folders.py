"""Where the job of a take is, as far as it may be read: the .blend with the take may be a stranger's."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import bpy

from ...backend.job_folder.problem import Problem, Sentence
from ...backend.job_folder.state import FAILED, JobState
from .. import reach
from ..preferences import jobs_folder
from ..properties import MotionCloneTake
from ..wrapping import shown
from .job_files import is_job_name

GONE = JobState(
    state=FAILED,
    message="The job's folder does not exist.",
    hint="Restore the folder, choose the Jobs Folder where it is now, or remove the take.",
)


def folder_of(take: MotionCloneTake) -> Path | None:
    """The job's folder: where it was made, if that path may be read without asking, or in the current jobs folder. None
    if it is in neither."""
    folders = own_folder(take), in_jobs_folder(take)
    return next((folder for folder in folders if folder and os.path.isdir(folder)), None)  # False for an invalid path


def in_jobs_folder(take: MotionCloneTake) -> Path | None:
    """The job's folder in the current jobs folder."""
    with suppress(Problem):
        return jobs_folder(bpy.context) / take.name if is_job_name(take.name) else None
    return None


def existing_folder(take: MotionCloneTake) -> Path:
    """The job's folder, for an action of the user on the take. Problem when it is gone."""
    reach.choose(take.folder)
    return known_folder(take)


def known_folder(take: MotionCloneTake) -> Path:
    """Like `folder_of`, but Problem when there is none."""
    if folder := folder_of(take):
        return folder
    raise Problem("{what} It was {folder}.", GONE.hint).about(what=Sentence(GONE.message), folder=shown(take.folder))


def own_folder(take: MotionCloneTake) -> Path | None:
    """The folder where it was made, if that may be read without asking, because the .blend may be a stranger's."""
    folder = reach.named(take.folder)
    return folder if folder and reach.in_reach(folder) else None
