"""Submits jobs to the worker, starts the worker when needed, and tracks their states. Never waits. Without bpy."""

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
from ...backend.job_folder.problem import Problem
from ...backend.job_folder.state import CANCELLED, FAILED, QUEUED, RUNNING, JobState, write_state
from ...backend.wire import messages
from ...backend.wire.client import Client, ClientError
from ...backend.wire.exit_reason import Lost
from ..declarations import Operators
from .job_states import JobStates, WorkerStatus

MAX_JOBS = 200  # the worker's own limit
SECONDS_TO_ASK = 1.0
SECONDS_TO_LEAVE = 1.0  # for an idle worker, when Blender quits or the add-on is disabled
STOPPED = JobState(state=QUEUED, message="The worker was stopped before the job finished.", hint="Run it again.")


@dataclass(frozen=True, kw_only=True)
class Start:
    """How to start a worker: see Client."""

    command: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str] = field(repr=False)
    remote: bool = False


class JobQueue:
    """Call `pump` regularly; `jobs` has the states."""

    def __init__(self) -> None:
        self.jobs = JobStates()
        self.lost: list[str] = []  # jobs that ended with their worker and can be run again
        self.problem: Problem | None = None
        self._client: Client | None = None
        self._start: Start | None = None
        self._heard = deque[Any]()
        self._closing: threading.Thread | None = None
        self._asked = 0.0  # when the worker was last asked to cancel

    @property
    def busy(self) -> bool:
        """Whether there can be new messages."""
        return bool(self._client or self._heard or self._closing)

    def start(self, start: Start) -> None:
        """Starts the worker unless it is running. Problem when it cannot be started."""
        if self._client and not self.jobs.order:
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
            raise Problem(error.text, hint, repair=Operators.INSTALL_BACKEND) from None
        self._start, self.jobs.worker = start, WorkerStatus(state="starting")

    def submit(self, start: Start, folder: Path) -> str:
        """Submits the job, and starts the worker if necessary. Returns the job's id, which is its folder's name."""
        job = folder.name
        if job in self.jobs.order:
            raise Problem("The job {job} is already waiting or running.", "Wait for it, or cancel it first.").about(
                job=job
            )
        if len(self.jobs.order) >= MAX_JOBS:
            raise Problem("{most_waiting} jobs are waiting already.", "Wait until some of them have finished.").about(
                most_waiting=MAX_JOBS
            )
        self.start(start)
        self._hand_over(job, folder)
        return job

    def cancel(self, job: str) -> None:
        if self._client and job in self.jobs.order:
            self.jobs.cancelling.add(job)
            self._tell(self._client.cancel, job)

    def remove(self, job: str) -> None:
        """Removes a waiting job from the queue. Its folder is as if it had never been submitted."""
        if self._client and job in self.jobs.order:
            self._tell(self._client.remove, job)

    def move(self, job: str, position: int) -> None:
        """position: how many waiting jobs are before it."""
        if self._client and job in self.jobs.order:
            self._tell(self._client.move, job, position)

    def stop(self) -> list[str]:
        """Stops the worker in the background, at the running job's next step. Returns the unfinished jobs, which stay
        in their folders."""
        client, self._client, self.jobs.worker = self._client, None, WorkerStatus()
        undone, self.jobs.order = self.jobs.order, []
        self.jobs.states.update(dict.fromkeys(undone, STOPPED))
        self._heard.clear()
        if client:
            self._closing = threading.Thread(target=client.close, name="worker's end", daemon=True)
            self._closing.start()
        return undone

    def release(self, finish: int = 1) -> None:
        """Called when Blender quits, which does not wait for jobs: an idle worker ends now. finish: how many jobs, from
        the head of the queue, the worker still finishes; 0: it stops at the running job's next step."""
        client, self._client = self._client, None
        if client and self.jobs.order:
            with suppress(ClientError):  # it has just died
                client.finish(self.jobs.order[:finish])
            client.leave()
        elif client:
            client.close(SECONDS_TO_LEAVE)
        if self._closing:
            self._closing.join()

    def pump(self, seconds: float) -> dict[str, JobState]:
        """Processes the worker's messages for at most so many seconds. Returns the jobs whose state changed."""
        deadline = time.monotonic() + seconds
        if self._closing and not self._closing.is_alive():
            self._closing = None
        if self._client:
            self._heard.extend(self._client.poll())
            self._ask_again()
        changed: dict[str, JobState] = {}
        while self._heard and time.monotonic() < deadline:
            for job in self._take(self._heard.popleft()):
                changed[job] = self.jobs.states[job]
        return changed

    def _hand_over(self, job: str, folder: Path) -> None:
        assert self._client
        try:
            self._client.submit(job, folder)
        except ClientError as error:
            if self._client.alive:
                raise Problem(error.text, "Correct it and try again.") from None
            # It has just died. `pump` will report why, for this job too.
        self.jobs.add(job, folder)
        if job in self.lost:
            self.lost.remove(job)

    def _ask_again(self) -> None:
        """Repeats a request to cancel, because messages sent before the worker received it are no answer."""
        assert self._client
        if time.monotonic() - self._asked < SECONDS_TO_ASK:
            return
        self._asked = time.monotonic()
        for job in self.jobs.cancelling.intersection(self.jobs.order):
            self._tell(self._client.cancel, job)

    def _tell(self, order: Any, *arguments: Any) -> None:
        try:
            order(*arguments)
        except ClientError as error:
            if self._client and self._client.alive:  # otherwise `pump` reports what happened
                raise Problem(error.text, "Try again.") from None

    def _take(self, message: Any) -> Iterable[str]:
        """Processes one message. Returns the jobs that it changed."""
        if isinstance(message, Lost):
            return self._lose(message)
        if isinstance(message, messages.Refused):
            return self._refuse(message)
        job = self.jobs.take(message)
        return (job,) if job else ()

    def _refuse(self, message: messages.Refused) -> Iterable[str]:
        """Handles a rejected job, or an order such as moving a job that came too late."""
        job = message.job
        if job in self.jobs.order and self._client and job not in self._client.jobs:
            self.jobs.end(job, JobState(state=FAILED, message=message.message))
            return (job,)
        if job not in self.jobs.cancelling:
            self.problem = Problem(message.message)
        return ()

    def _lose(self, message: Lost) -> Iterable[str]:
        """Handles a lost worker. The running job fails, or is cancelled if that was requested. Waiting jobs go to a new
        worker, but only if the lost one had started successfully."""
        states, self._client = self.jobs, None
        failed, started = [], states.worker.state == "ready"
        states.worker = WorkerStatus(state="lost", message=message.message, hint=message.hint)
        jobs, states.order = states.order, []
        ran = next((job for job in jobs if states.states[job].state == RUNNING), None)
        for job in jobs:
            if job in states.cancelling:
                self._keep(
                    job, JobState(state=CANCELLED, message="The job was cancelled. Its worker had to be stopped.")
                )
            elif job == ran or not ran or not self._goes_on(job):
                failed.append(job)
                self._keep(
                    job, JobState(state=FAILED, message=message.message, hint=message.hint, repair=message.repair)
                )
        self.lost += failed
        if not failed and not started:  # takes show failures; an idle worker starts again with a job
            self.problem = Problem(message.message, message.hint, repair=Operators.START_WORKER)
        return jobs

    def _goes_on(self, job: str) -> bool:
        """Returns whether another worker takes the job."""
        assert self._start
        try:
            self.start(self._start)
            self._hand_over(job, self.jobs.folders[job])
        except Problem:
            return False
        return True

    def _keep(self, job: str, state: JobState) -> None:
        """Stores the state in the folder, because a worker that was killed leaves "running" there."""
        self.jobs.states[job] = state
        folder = self.jobs.folders[job]
        with suppress(OSError):  # the state is reported anyway
            if not is_locked(folder):
                write_state(state, folder)
