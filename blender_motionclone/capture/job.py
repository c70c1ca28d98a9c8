"""One shot as a job folder, ready for the worker."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from ...backend.job_folder.reading import UnfitFile, check_regular
from ...backend.job_folder.request import JobRequest, write_request
from ...backend.job_folder.writing import is_link
from ..errors import UserError
from .camera_clip import capture_camera
from .file_clip import WAITING, capture_file
from .flatness import check_pictures
from .job_folder import PLACE, new_job_folder, write_place
from .pictures import write_pictures
from .plain_colors import color_notes
from .plan import CapturePlan
from .scene_strip import settled
from .strip_clip import capture_strip
from .undisturbed import undisturbed
from .viewport_clip import capture_viewport

CAPTURES = {"CAMERA": capture_camera, "VIEWPORT": capture_viewport, "STRIP": capture_strip, "FILE": capture_file}
MOST_BYTES = 2**30  # of a file that takes have alike
# What all takes of one capture have alike.
SHARED = ("reference", "mask", "depth", "vectors", "passes", "image", "sketch", PLACE)


def capture_steps(plan: CapturePlan, jobs: Path) -> Generator[tuple[int, int], None, Path]:
    """Renders a picture with each `next`, or waits a little for one, and gives (done, of); returns the finished job's
    folder.

    Closed before its end, or failing, it leaves no folder behind. The user's scene is as it was between any two steps.
    """
    plan = settled(plan)
    with new_job_folder(jobs) as folder:
        write_place(folder, plan.target.home, plan.shot.start, plan.target.camera)
        write_pictures(plan.pictures, folder)
        noted = yield from _pictures(plan, folder)
        check_pictures(folder / "reference", plan.title)
        noted += [] if plan.target.kind == "FILE" else color_notes()
        notes = dict.fromkeys([*plan.request.notes, *noted, *_stillness(plan, folder / "reference")])
        write_request(replace(plan.request, notes=list(notes)), folder)
    return folder


def _pictures(plan: CapturePlan, folder: Path) -> Generator[tuple[int, int], None, list[str]]:
    """-> what the capture notes for the user."""
    done = 0
    with closing(CAPTURES[plan.target.kind](plan, folder)) as pictures:
        while True:
            try:
                with undisturbed():
                    done += next(pictures) != WAITING
            except StopIteration as end:
                return end.value or []
            yield done, plan.steps


def capture_job(plan: CapturePlan, jobs: Path, on_frame: Callable[[int, int], None] = lambda done, of: None) -> Path:
    """The same at one go: calls on_frame(done, of) after each picture."""
    steps = capture_steps(plan, jobs)
    with closing(steps):
        while True:
            try:
                on_frame(*next(steps))
            except StopIteration as end:
                return end.value


def variant(folder: Path, request: JobRequest, jobs: Path) -> Path:
    """Another job of the same reference and passes, such as with another prompt or seed; returns its folder in `jobs`.

    Links are not followed, whoever made the folder: UserError."""
    with new_job_folder(jobs) as other:
        for name in SHARED:
            if os.path.lexists(folder / name):
                _link(folder / name, other / name)
        write_request(request, other)
    return other


def _link(source: Path, target: Path) -> None:
    """The same files under another name, or copies where the disk knows no such thing."""
    if is_link(source):
        raise UserError(f"{source} is a link.", "Put the file itself there, or generate the clip anew.")
    if source.is_dir():
        target.mkdir()
        for path in source.iterdir():
            _link(path, target / path.name)
        return
    try:
        check_regular(source, MOST_BYTES)
    except UnfitFile as error:
        raise UserError(f"{error}.", "Generate the clip anew.") from None
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _stillness(plan: CapturePlan, reference: Path) -> list[str]:
    """A shot that stands still can be wanted, so it is no error; but it is worth a word."""
    first, *rest = (path.read_bytes() for path in sorted(reference.iterdir()))
    if any(picture != first for picture in rest):
        return []
    return [f"Nothing moves in {plan.title}, so the take stands still. Animate the camera or the objects to change it."]
