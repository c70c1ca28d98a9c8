"""Captures one shot into a new job folder, ready for the worker. One folder is one job that anyone can run by hand."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from ...backend.job_folder.folders import new_job_name
from ...backend.job_folder.problem import Problem, Sentence
from ...backend.job_folder.reading import UnfitFile, check_regular
from ...backend.job_folder.request import JobRequest, write_request
from ...backend.job_folder.writing import is_link
from ..job_note import NOTE, write_shot
from .pictures import write_pictures
from .plain_colors import color_notes, read_picture
from .plan import CapturePlan
from .reference_clips import capture_camera, capture_file, capture_strip, capture_viewport
from .rendering import WAITING
from .scene_strip import resolved
from .undisturbed import undisturbed

CAPTURES = {"CAMERA": capture_camera, "VIEWPORT": capture_viewport, "STRIP": capture_strip, "FILE": capture_file}
MAX_BYTES = 2**30  # of a file that takes share
# What all takes of one capture share.
SHARED = ("reference", "mask", "depth", "vectors", "passes", "image", "sketch", NOTE)
SAME = 2 / 255  # rounding of a single color


def capture_steps(plan: CapturePlan, jobs: Path) -> Generator[tuple[int, int], None, Path]:
    """Renders one picture with each `next`, or waits briefly for one, and yields (done, total). Returns the finished
    job's folder.

    If it is closed early or fails, it leaves no folder behind. Between two steps the user's scene is unchanged.
    """
    plan = resolved(plan)
    with new_job_folder(jobs) as folder:
        write_shot(folder, plan.target.take_scene, plan.shot.start, plan.target.camera)
        write_pictures(plan.pictures, folder)
        noted = yield from _pictures(plan, folder)
        check_pictures(folder / "reference", plan.title)
        noted += [] if plan.target.kind == "FILE" else color_notes()
        notes = dict.fromkeys([*plan.request.notes, *noted, *_stillness(plan, folder / "reference")])
        write_request(replace(plan.request, notes=list(notes)), folder)
    return folder


def _pictures(plan: CapturePlan, folder: Path) -> Generator[tuple[int, int], None, list[str]]:
    """Returns the capture's notes for the user."""
    done = 0
    with closing(CAPTURES[plan.target.kind](plan, folder)) as pictures:
        while True:
            try:
                with nullcontext() if plan.target.kind == "FILE" else undisturbed():  # nothing is rendered
                    done += next(pictures) != WAITING
            except StopIteration as end:
                return end.value or []
            yield done, plan.steps


def capture_job(plan: CapturePlan, jobs: Path, on_frame: Callable[[int, int], None] = lambda done, of: None) -> Path:
    """Captures the whole job and calls on_frame(done, total) after each picture."""
    steps = capture_steps(plan, jobs)
    with closing(steps):
        while True:
            try:
                on_frame(*next(steps))
            except StopIteration as end:
                return end.value


def variant(folder: Path, request: JobRequest, jobs: Path) -> Path:
    """Makes another job with the same reference and passes, such as for another prompt or seed. Returns its folder in
    `jobs`.

    Links are never followed, because the folder can come from somebody else: Problem.
    """
    with new_job_folder(jobs) as other:
        for name in SHARED:
            if os.path.lexists(folder / name):
                _link(folder / name, other / name)
        write_request(request, other)
    return other


def _link(source: Path, target: Path) -> None:
    """Hard-links the files, or copies them where the disk has no hard links."""
    if is_link(source):
        raise Problem("{source} is a link.", "Replace it with the file itself, or generate the clip again.").about(
            source=source
        )
    if source.is_dir():
        target.mkdir()
        for path in source.iterdir():
            _link(path, target / path.name)
        return
    try:
        check_regular(source, MAX_BYTES)
    except UnfitFile as error:
        raise Problem("{reason}.", "Generate the clip again.").about(reason=error) from None
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _stillness(plan: CapturePlan, reference: Path) -> list[str]:
    """A note about a shot without motion. It is not an error, because the user may want it."""
    first, *rest = (path.read_bytes() for path in sorted(reference.iterdir()))
    if any(picture != first for picture in rest):
        return []
    said = "Nothing moves in {title}, so the take will not move either. Animate the camera or the objects to change it."
    return [Sentence(said, title=plan.title)]


@contextmanager
def new_job_folder(jobs: Path) -> Iterator[Path]:
    """Makes a folder in `jobs`, and removes it when the block fails."""
    folder = jobs / new_job_name()
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise Problem(
            "Cannot write to the jobs folder {jobs} ({reason}).",
            "Choose another in Preferences > Add-ons > MotionClone.",
        ).about(jobs=jobs, reason=error.strerror) from None
    try:
        yield folder
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise Problem(
            "Could not write to the job folder {folder} ({reason}).",
            "Free disk space, or choose another jobs folder in Preferences > Add-ons > MotionClone.",
        ).about(folder=folder, reason=error.strerror or error) from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def check_pictures(folder: Path, title: str) -> None:
    """Problem when each picture in the folder has a single color. title: what they show."""
    if not all(_is_flat(path) for path in sorted(folder.iterdir())):
        return
    raise Problem(
        "Every picture of {title} has a single color, so there is no motion to clone.",
        "Check that something is in front of the camera and visible in renders, and that no file is missing.",
    ).about(title=title)


def _is_flat(path: Path) -> bool:
    picture = read_picture(path)
    return bool((picture.max((0, 1)) - picture.min((0, 1))).max() <= SAME)
