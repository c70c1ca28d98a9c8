"""Tells the user and the job folder how far a job is, and stops it when it is cancelled. Without torch."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .errors import Cancelled
from .wire.job_state import RUNNING, JobState, write_state

WRITE_SECONDS = 0.2


def print_state(state: JobState) -> None:
    print(state.text, file=sys.stderr, flush=True)


class Progress:
    """One job's progress: state.json in its folder, and seconds spent in each stage."""

    def __init__(self, folder: Path, tell: Callable[[JobState], None] = print_state):
        """tell: is given each state that is written while the job runs."""
        self.folder = folder
        self._tell = tell
        self.seconds: dict[str, float] = {}
        self._stop: type[Cancelled] | None = None
        self._state = JobState(state=RUNNING)
        self._written = 0.0
        self._stage_began = time.monotonic()

    def cancel(self, how: type[Cancelled] = Cancelled) -> None:
        """Asks the job to stop at its next step; safe to call from a signal handler and from other threads."""
        if self._stop is not Cancelled:  # the user's own wish outweighs the worker's end
            self._stop = how

    def stage(self, name: str, steps: int = 0) -> None:
        """Begins a stage of so many steps. Cancelled when the user has asked to stop."""
        self._close_stage()
        self._show(JobState(state=RUNNING, stage=name, steps=steps), now=True)

    def step(self) -> None:
        """One step of the stage is done; the rest will take as long as its steps took so far."""
        done = self._state.step + 1
        elapsed = time.monotonic() - self._stage_began
        eta = elapsed / done * (self._state.steps - done)
        self._show(replace(self._state, step=done, eta=eta), now=done == self._state.steps)

    def note(self, text: str) -> None:
        """Something the user should know about this job, in a sentence."""
        print(text, file=sys.stderr, flush=True)

    def end(self, state: str, message: str = "", hint: str = "") -> None:
        """The last word on the job."""
        self._close_stage()
        self._state = JobState(state=state, message=message, hint=hint)
        self._write()

    def _close_stage(self) -> None:
        now = time.monotonic()
        if self._state.stage:
            self.seconds[self._state.stage] = round(now - self._stage_began, 3)
        self._stage_began = now
        self._state = replace(self._state, stage="")

    def _show(self, state: JobState, now: bool) -> None:
        if self._stop:
            raise self._stop
        self._state = state
        if not now and time.monotonic() - self._written < WRITE_SECONDS:
            return
        self._write()
        self._tell(state)

    def _write(self) -> None:
        write_state(self._state, self.folder)
        self._written = time.monotonic()
