"""Runs one job to its end, whichever it is; its folder then tells what became of it. Without torch."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import Cancelled, Interrupted, JobError, disk_full
from ..job.progress import PREVIEW, Progress
from ..job_folder.cancel_request import forget_request
from ..job_folder.lock import FolderLock, Occupied
from ..job_folder.log_size import shorten
from ..job_folder.reading import UnfitFile, check_regular
from ..job_folder.results import MOVIE
from ..job_folder.state import CANCELLED, DONE, FAILED, QUEUED
from ..job_folder.writing import FULL, LOG, is_link, open_log, remove, remove_parts

JobFunction = Callable[[Path, Progress], dict[str, Any]]
READ = ("job.json", "reference", "mask", "depth", "vectors", "image", "sketch")  # these may be links
WRITTEN_FOLDERS = ("result", Path(PREVIEW).parent.name)
WRITTEN = ("state.json", "result.json", MOVIE, "checkpoint.safetensors")


def run_to_end(folder: Path, progress: Progress, function: JobFunction) -> dict[str, Any]:
    """-> what `function` returns. JobError and Cancelled are raised on, once the folder tells of them."""
    try:
        progress.stage("starting")
        remove((folder / PREVIEW).parent)  # of an earlier run
        result = function(folder, progress)
        progress.end(DONE)
        return result
    except Interrupted:
        with suppress(OSError):
            progress.end(QUEUED, "The worker was closed before the job was done.", "Run it again.")
        raise
    except (Cancelled, KeyboardInterrupt):
        with suppress(OSError):  # the folder may have become unwritable; the user has what they asked for
            progress.end(CANCELLED, "The job was cancelled.")
        raise Cancelled from None
    except (Exception, SystemExit) as error:
        problem = in_words(error, folder)
        with suppress(OSError):  # a folder that cannot be written must not hide what went wrong
            progress.end(FAILED, problem.message, problem.hint)
        raise problem from error


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """The folder is this process's own for as long as the block lasts. JobError when it cannot be."""
    lock = claim(folder)
    try:
        yield
    finally:
        forget_request(folder)
        lock.release()


def claim(folder: Path) -> FolderLock:
    """JobError when the folder is another worker's, cannot be written, or would lead out of itself."""
    try:
        _check_writable(folder)
        lock = FolderLock(folder)
        forget_request(folder)  # it was about an earlier run
        remove_parts(folder, WRITTEN)
        remove_parts(folder / "result")
        return lock
    except Occupied as error:
        raise JobError(str(error), "Wait until it is done there, or close the other Blender or worker.") from None
    except OSError as error:
        raise in_words(error, folder) from None


def _check_writable(folder: Path) -> None:
    """JobError for links, which could lead anywhere, and for what is no file, where a job writes. OSError."""
    for path in _written(folder):
        if is_link(path):
            raise JobError(f"{path} is a link; jobs write only inside their own folder.", "Remove the link.")
        if not path.is_dir():
            try:
                check_regular(path)
            except UnfitFile as error:
                raise JobError(f"{error}; jobs write only files.", "Remove it.") from None
            except FileNotFoundError:
                continue  # a part that has just taken its place


def _written(folder: Path) -> Iterator[Path]:
    """What is in the folder besides what is only read."""
    for path in folder.iterdir():
        if path.name not in READ:
            yield path
            if path.name in WRITTEN_FOLDERS and path.is_dir() and not is_link(path):
                yield from path.iterdir()


def in_words(error: BaseException, folder: Path) -> JobError:
    """Any error as one the user can act on; unexpected errors go to the job's log in full."""
    if isinstance(error, JobError):
        return error
    if isinstance(error, OSError) and error.errno in FULL:
        return disk_full(error.filename or folder)
    if isinstance(error, OSError) and error.filename and Path(error.filename).is_relative_to(folder):
        return JobError(
            f"The job folder {folder} cannot be written ({error.strerror}).",
            "Free space or allow writing there, or make the job in another folder.",
        )
    details = "".join(traceback.format_exception(error))
    try:
        with os.fdopen(open_log(folder), "ab") as log:
            log.write(details.encode("utf-8", "backslashreplace"))
        shorten(folder / LOG)
        hint = f"The details are in {folder / LOG}."
    except OSError:
        hint = details
    return JobError(f"Unexpected error: {error!r}.", hint)
