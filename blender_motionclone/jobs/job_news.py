"""Delivers the worker's notifications: takes show how their jobs ended, and clips are placed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

from ...backend.job_folder.state import DONE, FAILED, JobState
from ..errors import UserError
from ..showing import redraw, show_failures
from . import take_states
from .take_places import Place, place, places_of, show


class JobNews:
    """Goes on by pieces, for each may take as long as a tick may. problem: what kept a clip from its place; whoever
    shows it takes it away."""

    def __init__(self) -> None:
        self.problem: UserError | None = None
        self._untold: dict[str, JobState] = {}  # not yet shown by the takes
        self._failed: list[JobState] = []
        self._done: deque[str] = deque()  # whose place is not known yet
        self._places: deque[Place] = deque()
        self._to_watch = set[str]()  # jobs that are played once they are done
        self._shows: deque[str] = deque()

    def watch(self, job: str) -> None:
        """Plays the take when it is done."""
        self._to_watch.add(job)

    def place(self, job: str) -> None:
        """Its take is done and goes to its place."""
        if job not in self._done:
            self._done.append(job)

    def note(self, states: Mapping[str, JobState]) -> None:
        self._untold.update(states)

    def about(self, job: str) -> bool:
        """Whether something of it is still to come."""
        return job in self._untold or job in self._done or any(where.job.id == job for where in self._places)

    @property
    def busy(self) -> bool:
        return bool(self._untold or self._failed or self._done or self._places or self._shows)

    def tell(self, until: float) -> None:
        """Takes show how a job ends, not each of its steps; the last that failed becomes the active one. until: of
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
        """Goes on with what is to be placed: looks for a clip, or places or plays one; -> whether it did the latter, in
        which Blender opens a movie and keeps an undo step and takes as long as it takes."""
        placing = bool(self._places or self._shows)
        try:
            if self._places:
                place(self._places.popleft())
            elif self._shows:
                show(self._shows.popleft())
            elif self._done:
                self._look_for(self._done.popleft())
        except UserError as error:
            self.problem = error
        if placing:
            redraw()
        return placing

    def _look_for(self, job: str) -> None:
        """Its clip."""
        if job in self._to_watch:
            self._to_watch.remove(job)
            self._shows.append(job)
        self._places.extend(places_of(job))
