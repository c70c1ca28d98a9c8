"""Delivers the worker's notifications: takes show how their jobs ended, and their clips are placed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import bpy

from ...backend.job_folder.problem import Problem
from ...backend.job_folder.state import DONE, FAILED, JobState
from ..properties import MotionCloneTake
from ..results import watching
from ..results.finished_job import FinishedJob, read_finished_job
from ..results.movie_strip import show_alone
from ..results.place import place_job
from ..results.placement import PlacementOptions
from ..showing import redraw, show_failures
from . import take_folders, take_states


@dataclass(frozen=True)
class PendingPlacement:
    """scene: its name; how: an identifier of properties.PLACEMENTS."""

    scene: str
    how: str
    job: FinishedJob


def placements_of(job: str) -> list[PendingPlacement]:
    """Where the job's clip goes. Reads only its folder. Problem when there is no complete clip."""
    return [
        PendingPlacement(scene.name, how, read_finished_job(take_folders.known_folder(take), take.frame_start))
        for scene, take in take_states.named(job)
        if (how := scene.motionclone.placement) != "NONE"
    ]


def place(where: PendingPlacement) -> None:
    """Places the clip. Problem when that fails; the take stays in the list. Where only one take can be visible, a
    better one, or one of another prompt, stays."""
    if scene := bpy.data.scenes.get(where.scene):
        window = _window(scene)
        with bpy.context.temp_override(window=window):  # a timer has no window, and undo needs one
            with bpy.context.temp_override(scene=scene, view_layer=_layer(scene, window)):
                if (options := _options_for(scene, where)) is None:
                    return
                place_job(bpy.context, scene, where.job, where.how, options)
                _show_best(scene, where)
            with suppress(RuntimeError):  # undo is disabled, or there is no window
                bpy.ops.ed.undo_push(message="Place MotionClone Take")


def show(job: str) -> None:
    """Plays the take in a window that shows its scene, if there is one with enough room. Problem when that fails."""
    for scene, take in take_states.named(job):
        window = _window(scene)
        if window and window.scene == scene and not window.screen.show_fullscreen:
            folder = take_folders.existing_folder(take)
            finished = read_finished_job(folder, take.frame_start)
            with bpy.context.temp_override(window=window):
                watching.watch(bpy.context, scene, finished, folder / "reference")


def _options_for(scene: bpy.types.Scene, where: PendingPlacement) -> PlacementOptions | None:
    """None for a take that is only listed."""
    takes = scene.motionclone.takes
    take = takes.get(where.job.id)
    if scene.motionclone.replace or take is None or take.placement == where.how:  # it was run again
        return PlacementOptions(replace=True)
    if where.how == "STRIP":
        return PlacementOptions(replace=False)
    others = [
        other for other in takes if other.placement == where.how and _shot(other) == _shot(take) and other != take
    ]
    if any(other.prompt != take.prompt or other.score > take.score for other in others):
        return None
    return PlacementOptions(replace=True)


def _shot(take: MotionCloneTake) -> tuple[int, int, str]:
    return take.frame_start, take.frames, take.camera


def _show_best(scene: bpy.types.Scene, where: PendingPlacement) -> None:
    """Of a batch's strips, only the one with the best score is visible."""
    takes = scene.motionclone.takes
    take = takes.get(where.job.id)
    if where.how != "STRIP" or scene.motionclone.replace or take is None or not take.batch:
        return
    batch = [other for other in takes if other.batch == take.batch and other.placement == "STRIP"]
    best = max(batch, key=lambda other: other.score, default=take)
    show_alone(scene, where.job, best.name, {other.name for other in batch})


def _window(scene: bpy.types.Scene) -> bpy.types.Window | None:
    """A window that shows the scene, or any other window."""
    windows = sorted(bpy.context.window_manager.windows, key=lambda window: window.scene != scene)
    return next(iter(windows), None)


def _layer(scene: bpy.types.Scene, window: bpy.types.Window | None) -> bpy.types.ViewLayer:
    """The view layer in which the scene has its active object."""
    return window.view_layer if window and window.scene == scene else scene.view_layers[0]


class Notifications:
    """Works in pieces, because each may take as long as a tick may. problem: why a clip could not be placed; the caller
    clears it."""

    def __init__(self) -> None:
        self.problem: Problem | None = None
        self._untold: dict[str, JobState] = {}  # not yet shown by the takes
        self._failed: list[JobState] = []
        self._done: deque[str] = deque()  # whose clips were not looked up yet
        self._placements: deque[PendingPlacement] = deque()
        self._to_watch = set[str]()  # jobs to be played when they are done
        self._shows: deque[str] = deque()

    def watch(self, job: str) -> None:
        """Plays the take when it is done."""
        self._to_watch.add(job)

    def place(self, job: str) -> None:
        """The take is done and will be placed."""
        if job not in self._done:
            self._done.append(job)

    def note(self, states: Mapping[str, JobState]) -> None:
        self._untold.update(states)

    def about(self, job: str) -> bool:
        """Whether something about the job is still pending."""
        return job in self._untold or job in self._done or any(where.job.id == job for where in self._placements)

    @property
    def busy(self) -> bool:
        return bool(self._untold or self._failed or self._done or self._placements or self._shows)

    def tell(self, until: float) -> None:
        """Updates takes when their jobs end, not at each step. The last failed one becomes active. until: a time of
        time.monotonic."""
        while self._untold and time.monotonic() < until:
            job = next(iter(self._untold))
            now = self._untold.pop(job)
            take_states.update(job, now)
            if now.state == DONE:
                self._done.append(job)
            elif now.state == FAILED:
                take_states.make_active(job)
                self._failed.append(now)
        if self._failed and not self._untold:
            failed, self._failed = self._failed, []
            show_failures(failed)

    def place_next(self) -> bool:
        """Does the next piece: looks up a clip, places one, or plays one. Returns whether it did one of the latter,
        where Blender opens a movie and stores an undo step, which takes as long as it takes."""
        placing = bool(self._placements or self._shows)
        try:
            if self._placements:
                place(self._placements.popleft())
            elif self._shows:
                show(self._shows.popleft())
            elif self._done:
                self._look_for(self._done.popleft())
        except Problem as error:
            self.problem = error
        if placing:
            redraw()
        return placing

    def _look_for(self, job: str) -> None:
        """Looks up the job's clip."""
        if job in self._to_watch:
            self._to_watch.remove(job)
            self._shows.append(job)
        self._placements.extend(placements_of(job))
