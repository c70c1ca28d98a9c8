"""Reports the progress of a job to the user and the job folder, and stops a cancelled job. Does not import torch."""

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
CHECK_SECONDS = 0.5  # between two checks for a request to cancel
PREVIEW = "preview/strip.png"


def print_state(state: JobState) -> None:
    """Prints the state of a job to stderr."""
    print(state.text, file=sys.stderr, flush=True)


def show_nothing(step: int, path: str) -> None:
    """Ignores a preview: when a job is run by hand, the picture is in its folder."""


class Progress:
    """The progress of one job: state.json and preview/ in its folder, and the seconds of each stage."""

    def __init__(
        self,
        folder: Path,
        tell: Callable[[JobState], None] = print_state,
        show: Callable[[int, str], None] = show_nothing,
    ):
        """tell: receives each state that is written while the job runs. show: receives each preview, as the step after
        which it was made and the path of its file in the folder.
        """
        self.folder = folder
        self._tell, self._show_preview = tell, show
        self.seconds: dict[str, float] = {}
        self._stop: type[Cancelled] | None = None
        self._state = JobState(state=RUNNING)
        self._written = self._checked = 0.0
        self._stage_began = time.monotonic()
        self._eta = EtaEstimator()

    def cancel(self, how: type[Cancelled] = Cancelled) -> None:
        """Stops the job at its next step. Safe to call from a signal handler and from other threads."""
        if self._stop is not Cancelled:  # a cancel by the user has priority over the end of the worker
            self._stop = how

    def check(self) -> None:
        """Raises Cancelled if the job was cancelled, also by a request in the folder. Safe to call from any thread."""
        if time.monotonic() - self._checked >= CHECK_SECONDS:
            self._checked = time.monotonic()
            if cancel_requested(self.folder):
                self.cancel()
        if self._stop:
            raise self._stop

    def plan(self, stages: Sequence[ExpectedStage]) -> None:
        """Sets the expected stages, from which the time left of the whole job is estimated."""
        self._eta.plan(stages)

    def stage(self, name: str, steps: int = 0, done: int = 0) -> None:
        """Begins a stage of `steps` steps, of which `done` are already finished. Raises Cancelled."""
        self._close_stage()
        self._eta.begin(name, steps, done)
        self._show(JobState(state=RUNNING, stage=name, step=done, steps=steps, eta=self._eta.left()), now=True)

    def step(self) -> None:
        """Records that a step of the stage is finished. Raises Cancelled."""
        self._eta.step()
        done = self._state.step + 1
        self._show(replace(self._state, step=done, eta=self._eta.left()), now=done == self._state.steps)

    def preview(self, picture: bytes) -> None:
        """Shows a preview, a PNG with a strip of small frames."""
        path = self.folder / PREVIEW
        with suppress(OSError):  # only a preview: if the folder cannot be written, the job itself reports it
            make_folder(path.parent)
            write_atomically(path, picture)
            self._show_preview(self._state.step, PREVIEW)

    def note(self, text: str) -> None:
        """Reports a sentence for the user about this job."""
        print(clean(text), file=sys.stderr, flush=True)

    def end(self, state: JobState) -> None:
        """Writes the final state of the job."""
        self._close_stage()
        self._state = state
        try:
            self._write()
        except OSError:  # on a full disk the space of the previews may be enough
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
