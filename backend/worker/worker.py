"""The worker: executes commands, runs one job after another and reports on them.

It has two threads. The reader thread answers messages at once, also while a job runs. The main thread runs the jobs,
because signals and devices require it. Nothing here imports torch; the engine does, with its first job.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from ..errors import Cancelled, Interrupted
from ..job.progress import CHECK_SECONDS, Progress
from ..job_folder.cancel_request import cancel_requested, forget_request
from ..job_folder.problem import Problem, Sentence
from ..job_folder.state import CANCELLED, JobState, write_state
from ..job_folder.version import version
from ..wire import messages
from ..wire.encoding import MessageError, kind_of, parse
from .engine import JobEngine
from .one_job import as_problem, claim, run_to_end
from .queue import Ticket, Waiting
from .received_jobs import ReceivedJobs
from .streams import Printed

MAX_WAITING = 200  # each holds a file lock, and systems limit open files


class Worker:
    """Runs the jobs of one host. `take` may be called from another thread than `work`."""

    def __init__(self, engine: JobEngine, send: Callable[[Any], None], printed: Printed, idle_seconds: float):
        self._engine, self._send, self._printed, self._idle_seconds = engine, send, printed, idle_seconds
        self._guard = threading.Lock()  # protects the next two lines
        self._waiting, self._received = Waiting(), ReceivedJobs(send)
        self._running: Ticket | None = None
        self._leaving = self._unload_asked = False
        self._to_finish: frozenset[str] = frozenset()  # waiting jobs to run before exiting
        self._wake = SimpleQueue[None]()  # the only kind of queue that a signal handler may fill
        self._last_hello: messages.Hello | None = None
        self._checked_at = 0.0  # when the folders were last checked for cancel requests

    # The main thread.

    def work(self) -> None:
        """Runs jobs until the worker is told to exit."""
        while True:
            if self._unload_asked:
                self._unload_asked = False
                self._engine.unload()
            elif ticket := self._next():
                self._run(ticket)
            elif self._leaving:
                return
            else:
                self._wait()

    def leave(self) -> None:
        """Exits after the running job and those in `_to_finish`. Other waiting jobs stay queued in their folders."""
        self._leaving = True
        self._wake.put(None)

    def stop(self, *_: Any) -> None:
        """Exits at the running job's next step. Also a signal handler, so it takes no lock."""
        self._to_finish = frozenset()
        if running := self._running:
            running.progress.cancel(Interrupted)
        self.leave()

    def _wait(self) -> None:
        """Waits for something to do. On Windows an unlimited wait would block Ctrl-C."""
        endless = 3600.0 if sys.platform == "win32" else None
        try:
            self._wake.get(timeout=self._idle_seconds if self._engine.loaded else endless)
        except Empty:
            self._engine.unload()

    def _next(self) -> Ticket | None:
        with self._guard:
            self._running = self._waiting.next(self._to_finish if self._leaving else None)
            return self._running

    def _run(self, ticket: Ticket) -> None:
        if self._leaving and ticket.job not in self._to_finish:  # told to exit while this job was taken from the queue
            ticket.progress.cancel(Interrupted)
        with self._printed.copied_to_log(ticket.folder):
            end = self._run_job(ticket)
        self._engine.tidy()
        self.hello()
        with self._guard:
            self._running = None
            self._send_end(ticket, end)

    def _run_job(self, ticket: Ticket) -> Any:
        """Runs the job and returns the last message about it."""
        try:
            result = run_to_end(ticket.folder, ticket.progress, self._engine.run)
        except Interrupted:
            return messages.Queued(ticket.job, 0)
        except Cancelled:
            return messages.Cancelled(ticket.job)
        except Problem as error:
            message, hint = ticket.without_folder(error.message), ticket.without_folder(error.hint)
            return messages.Failed(ticket.job, message, hint, error.repair)
        return messages.Done(ticket.job, result["device"], result["memory_bytes"])

    def _send_end(self, ticket: Ticket, end: Any) -> None:
        if ticket.remote:
            end = self._received.offer_results(ticket, end)
        else:
            forget_request(ticket.folder)
            ticket.lock.release()
        self._send(end)

    def _check_cancel_requests(self) -> None:
        """Cancels waiting jobs whose folders contain a cancel request, without waiting for the running job."""
        if time.monotonic() - self._checked_at < CHECK_SECONDS:
            return
        self._checked_at = time.monotonic()
        with self._guard:
            cancelled = [t for t in self._waiting if not t.remote and cancel_requested(t.folder)]
            for ticket in cancelled:
                self._withdraw(ticket.job, messages.Cancelled(ticket.job))

    def hello(self) -> None:
        """Sends a Hello at the start, and again when the device is known."""
        hello = messages.Hello(messages.PROTOCOL, version(), self._engine.device, self._engine.memory_bytes)
        if hello != self._last_hello:
            self._send(hello)
        self._last_hello = hello

    # The reader thread.

    def take(self, line: bytes | None) -> None:
        """Executes one line, or answers why it is refused."""
        if line is not None and not line.strip():
            return
        job = None
        try:
            message = parse(line, messages.TO_WORKER)
            job = getattr(message, "job", None)
            with self._guard:
                getattr(self, f"_{kind_of(message)}")(message)
        except MessageError as error:
            self._send(messages.Refused(error.text))
        except Problem as error:
            self._send(messages.Refused(error.text, job))
        except Exception as error:
            traceback.print_exc()
            self._send(messages.Refused(Sentence("Unexpected error: {reason}.", reason=repr(error)), job))

    def _submit(self, message: messages.Submit) -> None:
        self._check_capacity(message.job)
        folder = Path(message.folder)
        if not folder.is_absolute() or not folder.is_dir():
            raise Problem("There is no job folder {folder}.", "Give an absolute path to an existing folder.").about(
                folder=folder
            )
        self._enqueue(message.job, folder)

    def _offer(self, message: messages.Offer) -> None:
        self._check_capacity(message.job)
        if folder := self._received.accept_offer(message):
            self._enqueue(message.job, folder, remote=True)

    def _piece(self, message: messages.Piece) -> None:
        if folder := self._received.accept_piece(message):
            self._enqueue(message.job, folder, remote=True)

    def _want(self, message: messages.Want) -> None:
        self._received.send_piece(message)

    def _taken(self, message: messages.Taken) -> None:
        self._received.confirm(message)

    def _check_capacity(self, job: str) -> None:
        if job in self._received or any(job == ticket.job for ticket in [*self._waiting, self._running] if ticket):
            raise Problem("There is already a job named {job}.", "Use another name.").about(job=job)
        if len(self._waiting) >= MAX_WAITING:
            raise Problem("{most_waiting} jobs are waiting already.", "Submit more when some of them are done.").about(
                most_waiting=MAX_WAITING
            )
        if self._leaving:
            raise Problem("The worker is shutting down.", "Start another worker.")

    def _enqueue(self, job: str, folder: Path, remote: bool = False) -> None:
        """Queues the job. A remote job that was done before the connection was lost is only sent back."""
        if not (folder / "job.json").is_file():
            raise Problem("There is no job.json in {folder}.", "Create the job again.").about(folder=folder)
        lock = claim(folder)
        ticket = Ticket(job, folder, lock, Progress(folder, *self._callbacks(job, folder, remote)), remote)
        if remote and self._received.is_done(folder):
            self._send(messages.Queued(job, 0))
            return self._send_end(ticket, messages.Done(job))
        try:
            write_state(JobState(), folder)
        except OSError as error:
            ticket.lock.release()
            raise as_problem(error, folder) from None
        self._send(messages.Queued(job, len(self._waiting)))
        self._waiting.put(ticket)
        self._wake.put(None)

    def _cancel(self, message: messages.Cancel) -> None:
        if self._running and self._running.job == message.job:
            self._running.progress.cancel()
            self._send(messages.Progress(message.job, "cancelling"))  # at once, to show that the worker responds
            return
        self._withdraw(message.job, messages.Cancelled(message.job))

    def _move(self, message: messages.Move) -> None:
        self._waiting.put(self._take_waiting(message.job), message.position)
        for position, ticket in enumerate(self._waiting):
            self._send(messages.Queued(ticket.job, position))

    def _remove(self, message: messages.Remove) -> None:
        self._withdraw(message.job, messages.Removed(message.job))

    def _unload(self, _: messages.Unload) -> None:
        self._unload_asked = True
        self._wake.put(None)

    def _shutdown(self, _: messages.Shutdown) -> None:
        self.stop()

    def _finish(self, message: messages.Finish) -> None:
        self._to_finish = frozenset(message.jobs)
        self.leave()

    def _ping(self, _: messages.Ping) -> None:
        running = self._running.job if self._running else None
        self._send(messages.Pong(running, tuple(ticket.job for ticket in self._waiting), self._engine.loaded))

    def _withdraw(self, job: str, end: messages.Cancelled | messages.Removed) -> None:
        """Ends a job that has not started, or whose files are still arriving."""
        if self._received.drop(job):
            return self._send(end)
        ticket, cancelled = self._take_waiting(job), JobState(state=CANCELLED, message="The job was cancelled.")
        ticket.forget(cancelled if isinstance(end, messages.Cancelled) else None)
        self._send_end(ticket, end)

    def _take_waiting(self, job: str) -> Ticket:
        if self._running and self._running.job == job:
            raise Problem("The job {job} is running.", "Cancel it instead.").about(job=job)
        return self._waiting.take_out(job)

    def _callbacks(self, job: str, folder: Path, remote: bool) -> tuple[Callable[[JobState], None], Callable]:
        """The functions that the job's Progress calls with its state and its previews."""

        def show(step: int, path: str) -> None:
            if remote:
                self._received.send_preview(job, folder, path)
            self._send(messages.Preview(job, step, path))

        def tell(state: JobState) -> None:
            self._send(messages.Progress(job, state.stage, state.step, state.steps, state.eta))
            self._check_cancel_requests()

        return tell, show
