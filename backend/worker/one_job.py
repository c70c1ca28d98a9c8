"""Runs one job to its end and writes its final state to its folder. Without torch."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import Cancelled, Interrupted, disk_full
from ..job.progress import PREVIEW, Progress
from ..job_folder.cancel_request import forget_request
from ..job_folder.lock import FolderLock, Occupied
from ..job_folder.log_size import shorten
from ..job_folder.problem import Problem, Sentence
from ..job_folder.reading import UnfitFile, check_regular
from ..job_folder.results import MOVIE
from ..job_folder.state import CANCELLED, DONE, QUEUED, JobState
from ..job_folder.writing import FULL, LOG, is_link, open_log, remove, remove_parts

JobFunction = Callable[[Path, Progress], dict[str, Any]]
READ = ("job.json", "reference", "mask", "depth", "vectors", "image", "sketch")  # inputs, which may be links
WRITTEN_FOLDERS = ("result", Path(PREVIEW).parent.name)
WRITTEN = ("state.json", "result.json", MOVIE, "checkpoint.safetensors")


def run_to_end(folder: Path, progress: Progress, function: JobFunction) -> dict[str, Any]:
    """Returns the result of `function`. Raises Problem or Cancelled after the folder's state says so."""
    try:
        progress.stage("starting")
        remove((folder / PREVIEW).parent)  # left by an earlier run
        result = function(folder, progress)
        progress.end(JobState(state=DONE))
        return result
    except Interrupted:
        with suppress(OSError):
            progress.end(
                JobState(state=QUEUED, message="The worker was closed before the job was done.", hint="Run it again.")
            )
        raise
    except (Cancelled, KeyboardInterrupt):
        with suppress(OSError):  # the job is cancelled even if its folder cannot say so
            progress.end(JobState(state=CANCELLED, message="The job was cancelled."))
        raise Cancelled from None
    except (Exception, SystemExit) as error:
        problem = as_problem(error, folder)
        with suppress(OSError):  # a write error must not hide the actual error
            progress.end(JobState.failed(problem))
        raise problem from error


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Locks the folder for this process during the block. Raises Problem when that is impossible."""
    lock = claim(folder)
    try:
        yield
    finally:
        forget_request(folder)
        lock.release()


def claim(folder: Path) -> FolderLock:
    """Locks the folder and removes leftovers. Raises Problem when another worker has it, it cannot be written, or it
    contains links."""
    try:
        _check_writable(folder)
        lock = FolderLock(folder)
        forget_request(folder)  # it was for an earlier run
        remove_parts(folder, WRITTEN)
        remove_parts(folder / "result")
        return lock
    except Occupied as error:
        raise Problem(str(error), "Wait until the other worker is done, or close it or its Blender.") from None
    except OSError as error:
        raise as_problem(error, folder) from None


def _check_writable(folder: Path) -> None:
    """Raises Problem for a link, or for anything but a file, where a job writes. Raises OSError."""
    for path in _written(folder):
        if is_link(path):
            raise Problem("{path} is a link, but jobs write only inside their own folder.", "Remove the link.").about(
                path=path
            )
        if not path.is_dir():
            try:
                check_regular(path)
            except UnfitFile as error:
                raise Problem("{reason}; jobs write only files.", "Remove it.").about(reason=error) from None
            except FileNotFoundError:
                continue  # a temporary file that was just renamed


def _written(folder: Path) -> Iterator[Path]:
    """Everything in the folder that is not only read."""
    for path in folder.iterdir():
        if path.name not in READ:
            yield path
            if path.name in WRITTEN_FOLDERS and path.is_dir() and not is_link(path):
                yield from path.iterdir()


def as_problem(error: BaseException, folder: Path) -> Problem:
    """Converts any error to one that the user can act on. The traceback of an unexpected error goes to the job's
    log."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, OSError) and error.errno in FULL:
        return disk_full(error.filename or folder)
    if isinstance(error, OSError) and error.filename and Path(error.filename).is_relative_to(folder):
        return Problem(
            "The job folder {folder} cannot be written ({reason}).",
            "Free some space, make the folder writable, or use another folder for the job.",
            repair="motionclone.open_preferences",
        ).about(folder=folder, reason=error.strerror)
    details = "".join(traceback.format_exception(error))
    try:
        with os.fdopen(open_log(folder), "ab") as log:
            log.write(details.encode("utf-8", "backslashreplace"))
        shorten(folder / LOG)
        hint = Sentence("The details are in {log}.", log=folder / LOG)
    except OSError:
        hint = Sentence("{details}", details=details)
    return Problem("Unexpected error: {reason}.", hint).about(reason=repr(error))
