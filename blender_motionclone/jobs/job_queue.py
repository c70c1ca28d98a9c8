"""Hands jobs to the worker, which it starts when there is need, and hears how they go. Without bpy; nothing waits."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...backend.job_folder.lock import is_locked
from ...backend.job_folder.state import CANCELLED, FAILED, QUEUED, RUNNING, JobState, write_state
from ...backend.wire import messages
from ...backend.wire.client import Client, ClientError
from ...backend.wire.exit_reason import Lost
from ..errors import UserError
from .job_board import JobBoard, WorkerStatus

MOST_JOBS = 200  # as many as a worker lets wait
SECONDS_TO_ASK = 1.0
SECONDS_TO_LEAVE = 1.0  # for an idle worker, when Blender ends or the add-on is disabled
START = "motionclone.start_worker"
STOPPED = JobState(state=QUEUED, message="The worker was stopped before the job was done.", hint="Run it again.")


@dataclass(frozen=True, kw_only=True)
class Start:
    """How to start a worker: see Client."""

    command: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str] = field(repr=False)
    remote: bool = False


class JobQueue:
    """Call `pump` now and then; `board` tells how the jobs stand."""

    def __init__(self) -> None:
        self.board = JobBoard()
        self.lost: list[str] = []  # ended with their worker, to be run again
        self.problem: UserError | None = None
        self._client: Client | None = None
        self._start: Start | None = None
        self._heard = deque[Any]()
        self._closing: threading.Thread | None = None
        self._asked = 0.0  # when a cancelling worker was asked last

    @property
    def busy(self) -> bool:
        """Whether there may be something to hear."""
        return bool(self._client or self._heard or self._closing)

    def start(self, start: Start) -> None:
        """Starts the worker unless one is there. UserError when it cannot be started."""
        if self._client and not self.board.order:
            if not self._client.alive:
                self._client = None
            elif start != self._start:  # the preferences have changed
                self.stop()
        if self._client:
            return
        try:
            self._client = Client(start.command, start.cwd, start.environment, start.remote)
        except ClientError as error:
            hint = "Install the backend, or correct it in Preferences > Add-ons > MotionClone."
            raise UserError(str(error), hint, "motionclone.install_backend") from None
        self._start, self.board.worker = start, WorkerStatus(state="starting")

    def submit(self, start: Start, folder: Path) -> str:
        """-> the job's id, its folder's name. The worker is started if need be."""
        job = folder.name
        if job in self.board.order:
            raise UserError(f"The job {job} waits or runs already.", "Wait for it, or cancel it first.")
        if len(self.board.order) >= MOST_JOBS:
            raise UserError(f"{MOST_JOBS} jobs wait already.", "Wait until some of them are done.")
        self.start(start)
        self._hand_over(job, folder)
        return job

    def cancel(self, job: str) -> None:
        if self._client and job in self.board.order:
            self.board.cancelling.add(job)
            self._tell(self._client.cancel, job)

    def remove(self, job: str) -> None:
        """Takes a waiting job out; its folder is as if it had never been submitted."""
        if self._client and job in self.board.order:
            self._tell(self._client.remove, job)

    def move(self, job: str, place: int) -> None:
        """place: how many waiting jobs go before it."""
        if self._client and job in self.board.order:
            self._tell(self._client.move, job, place)

    def stop(self) -> list[str]:
        """Ends the worker beside us, at the running job's next step; -> the jobs that stay undone in their folders."""
        client, self._client, self.board.worker = self._client, None, WorkerStatus()
        undone, self.board.order = self.board.order, []
        self.board.states.update(dict.fromkeys(undone, STOPPED))
        self._heard.clear()
        if client:
            self._closing = threading.Thread(target=client.close, name="worker's end", daemon=True)
            self._closing.start()
        return undone

    def let_go(self, finish: int = 1) -> None:
        """For the end of Blender, which waits for no job: an idle worker ends now. finish: how many jobs, from the head
        of the queue, the worker still does in their folders; 0: it stops at the running job's next step."""
        client, self._client = self._client, None
        if client and self.board.order:
            with suppress(ClientError):  # it has just died
                client.finish(self.board.order[:finish])
            client.leave()
        elif client:
            client.close(SECONDS_TO_LEAVE)
        if self._closing:
            self._closing.join()

    def pump(self, seconds: float) -> dict[str, JobState]:
        """Hears what the worker said, for at most so long; -> the jobs that are not as they were."""
        deadline = time.monotonic() + seconds
        if self._closing and not self._closing.is_alive():
            self._closing = None
        if self._client:
            self._heard.extend(self._client.poll())
            self._ask_again()
        changed: dict[str, JobState] = {}
        while self._heard and time.monotonic() < deadline:
            for job in self._take(self._heard.popleft()):
                changed[job] = self.board.states[job]
        return changed

    def _hand_over(self, job: str, folder: Path) -> None:
        assert self._client
        try:
            self._client.submit(job, folder)
        except ClientError as error:
            if self._client.alive:
                raise UserError(str(error), "Correct it and try again.") from None
            # It has just died: `pump` will say why, of this job too.
        self.board.add(job, folder)
        if job in self.lost:
            self.lost.remove(job)

    def _ask_again(self) -> None:
        """What it said before it heard of the cancelling must not pass for an answer: the client insists anew."""
        assert self._client
        if time.monotonic() - self._asked < SECONDS_TO_ASK:
            return
        self._asked = time.monotonic()
        for job in self.board.cancelling.intersection(self.board.order):
            self._tell(self._client.cancel, job)

    def _tell(self, order: Any, *arguments: Any) -> None:
        try:
            order(*arguments)
        except ClientError as error:
            if self._client and self._client.alive:  # otherwise `pump` will say what became of it
                raise UserError(str(error), "Try again.") from None

    def _take(self, message: Any) -> Iterable[str]:
        """-> the jobs that it changed."""
        if isinstance(message, Lost):
            return self._lose(message)
        if isinstance(message, messages.Refused):
            return self._refuse(message)
        job = self.board.take(message)
        return (job,) if job else ()

    def _refuse(self, message: messages.Refused) -> Iterable[str]:
        """A job that was not taken, or an order about one, such as to move it, that came too late."""
        job = message.job
        if job in self.board.order and self._client and job not in self._client.jobs:
            self.board.end(job, JobState(state=FAILED, message=message.message))
            return (job,)
        if job not in self.board.cancelling:
            self.problem = UserError(message.message)
        return ()

    def _lose(self, message: Lost) -> Iterable[str]:
        """The job that ran ends as failed, or cancelled if it was to be; those that waited go to a new worker, but only
        if this one had come as far as running anything."""
        board, self._client = self.board, None
        failed, started = [], board.worker.state == "ready"
        board.worker = WorkerStatus(state="lost", message=message.message, hint=message.hint)
        jobs, board.order = board.order, []
        ran = next((job for job in jobs if board.states[job].state == RUNNING), None)
        for job in jobs:
            if job in board.cancelling:
                self._keep(job, JobState(state=CANCELLED, message="The job was cancelled; its worker had to be ended."))
            elif job == ran or not ran or not self._goes_on(job):
                failed.append(job)
                self._keep(job, JobState(state=FAILED, message=message.message, hint=message.hint))
        self.lost += failed
        if not failed and not started:  # takes tell of theirs; who is idle and gone is started with the next job
            self.problem = UserError(message.message, message.hint, START)
        return jobs

    def _goes_on(self, job: str) -> bool:
        """Whether another worker takes it."""
        assert self._start
        try:
            self.start(self._start)
            self._hand_over(job, self.board.folders[job])
        except UserError:
            return False
        return True

    def _keep(self, job: str, state: JobState) -> None:
        """A worker that was killed leaves "running" behind; the folder must say what became of the job."""
        self.board.states[job] = state
        folder = self.board.folders[job]
        with suppress(OSError):  # it is told all the same
            if not is_locked(folder):
                write_state(state, folder)
