"""Tells the user and the job folder how far a job is, and stops it when it is cancelled. Without torch."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..errors import Cancelled
from ..job_folder.cancel_request import cancel_requested
from ..job_folder.plain_text import clean
from ..job_folder.state import RUNNING, JobState, write_state
from ..job_folder.writing import make_folder, remove, write_atomically
from .eta import EtaEstimator, ExpectedStage

WRITE_SECONDS = 0.2
LOOK_SECONDS = 0.5  # between two looks for a request to stop
PREVIEW = "preview/strip.png"


def print_state(state: JobState) -> None:
    print(state.text, file=sys.stderr, flush=True)


def show_nothing(step: int, place: str) -> None:
    """Whoever runs a job by hand finds the picture in its folder."""


class Progress:
    """One job's progress: state.json and preview/ in its folder, and seconds spent in each stage."""

    def __init__(
        self,
        folder: Path,
        tell: Callable[[JobState], None] = print_state,
        show: Callable[[int, str], None] = show_nothing,
    ):
        """tell: is given each state that is written while the job runs; show: the step after which a preview was made,
        and the place of its file in the folder."""
        self.folder = folder
        self._tell, self._show_preview = tell, show
        self.seconds: dict[str, float] = {}
        self._stop: type[Cancelled] | None = None
        self._state = JobState(state=RUNNING)
        self._written = self._looked = 0.0
        self._stage_began = time.monotonic()
        self._eta = EtaEstimator()

    def cancel(self, how: type[Cancelled] = Cancelled) -> None:
        """Asks the job to stop at its next step; safe to call from a signal handler and from other threads."""
        if self._stop is not Cancelled:  # the user's own wish outweighs the worker's end
            self._stop = how

    def check(self) -> None:
        """Cancelled when the user has asked to stop, here or by a request in the folder; safe to call from other
        threads."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            if cancel_requested(self.folder):
                self.cancel()
        if self._stop:
            raise self._stop

    def plan(self, stages: Sequence[ExpectedStage]) -> None:
        """What the stages to come will cost, so that the time that is left can be told for the whole job."""
        self._eta.plan(stages)

    def stage(self, name: str, steps: int = 0, done: int = 0) -> None:
        """Begins a stage of so many steps, of which some may be done already. Cancelled when the user has asked to
        stop."""
        self._close_stage()
        self._eta.begin(name, steps, done)
        self._show(JobState(state=RUNNING, stage=name, step=done, steps=steps, eta=self._eta.left()), now=True)

    def step(self) -> None:
        """One step of the stage is done."""
        self._eta.step()
        done = self._state.step + 1
        self._show(replace(self._state, step=done, eta=self._eta.left()), now=done == self._state.steps)

    def preview(self, picture: bytes) -> None:
        """Shows a PNG, a strip of small frames, as the clip looks after the steps so far."""
        path = self.folder / PREVIEW
        with suppress(OSError):  # only a picture: if the folder cannot be written, the job will say so itself
            make_folder(path.parent)
            write_atomically(path, picture)
            self._show_preview(self._state.step, PREVIEW)

    def note(self, text: str) -> None:
        """Something the user should know about this job, in a sentence."""
        print(clean(text), file=sys.stderr, flush=True)

    def end(self, state: str, message: str = "", hint: str = "") -> None:
        """The last word on the job."""
        self._close_stage()
        self._state = JobState(state=state, message=clean(message), hint=clean(hint))
        try:
            self._write()
        except OSError:  # on a full disk the previews' room may do
            remove((self.folder / PREVIEW).parent)
            self._write()

    def _close_stage(self) -> None:
        now = time.monotonic()
        if self._state.stage:
            self.seconds[self._state.stage] = round(now - self._stage_began, 3)
        self._stage_began = now
        self._state = replace(self._state, stage="")

    def _show(self, state: JobState, now: bool) -> None:
        self.check()
        self._state = state
        if not now and time.monotonic() - self._written < WRITE_SECONDS:
            return
        self._write()
        self._tell(state)

    def _write(self) -> None:
        write_state(self._state, self.folder)
        self._written = time.monotonic()
