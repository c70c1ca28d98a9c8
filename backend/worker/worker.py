"""The worker: obeys messages, runs one job after another and tells of them.

Two threads: the reader answers messages at once, also while a job runs; the main thread runs the jobs, because signals
and devices want it so. Nothing here imports torch: the engine does, with its first job.
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

from ..errors import Cancelled, Interrupted, JobError
from ..job.progress import CHECK_SECONDS, Progress
from ..job_folder.cancel_request import cancel_requested, forget_request
from ..job_folder.plain_text import clean
from ..job_folder.state import CANCELLED, JobState, write_state
from ..job_folder.version import version
from ..wire import messages as say
from ..wire.encoding import MessageError, kind_of, parse
from .engine import JobEngine
from .one_job import claim, in_words, run_to_end
from .parcels import Parcels
from .queue import Ticket, Waiting
from .streams import Printed

MOST_WAITING = 200  # each holds a file lock, and systems limit open files


class Worker:
    """`take` may be called from another thread than `work`, which runs jobs until there is a reason to leave."""

    def __init__(self, engine: JobEngine, send: Callable[[Any], None], printed: Printed, idle_seconds: float):
        self._engine, self._send, self._printed, self._idle_seconds = engine, send, printed, idle_seconds
        self._guard = threading.Lock()  # over the three that follow
        self._waiting, self._parcels = Waiting(), Parcels(send)
        self._running: Ticket | None = None
        self._leaving = self._unload_asked = False
        self._to_finish: frozenset[str] = frozenset()  # of those that wait, what is done before leaving all the same
        self._wake = SimpleQueue[None]()  # of all queues, only this one may be filled by a signal handler
        self._said_hello: say.Hello | None = None
        self._looked = 0.0  # for requests in folders

    # The main thread.

    def work(self) -> None:
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
        """After the running job and those that are to be finished. Others that wait stay queued in their folders."""
        self._leaving = True
        self._wake.put(None)

    def stop(self, *_: Any) -> None:
        """At the running job's next step; also a signal handler, so no lock is taken."""
        self._to_finish = frozenset()
        if running := self._running:
            running.progress.cancel(Interrupted)
        self.leave()

    def _wait(self) -> None:
        """For something to do. On Windows an endless wait would be deaf to Ctrl-C."""
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
        if self._leaving and ticket.job not in self._to_finish:  # asked while this job was being fetched
            ticket.progress.cancel(Interrupted)
        with self._printed.to_log_of(ticket.folder):
            end = self._end_of(ticket)
        self._engine.tidy()
        self.hello()
        with self._guard:
            self._running = None
            self._ended(ticket, end)

    def _end_of(self, ticket: Ticket) -> Any:
        """Runs the job; -> the last message about it."""
        try:
            result = run_to_end(ticket.folder, ticket.progress, self._engine.run)
        except Interrupted:
            return say.Queued(ticket.job, 0)
        except Cancelled:
            return say.Cancelled(ticket.job)
        except JobError as error:
            return say.Failed(ticket.job, *(clean(ticket.told(text)) for text in (error.message, error.hint)))
        return say.Done(ticket.job, result["device"], result["memory_bytes"])

    def _ended(self, ticket: Ticket, end: Any) -> None:
        if ticket.remote:
            end = self._parcels.give_back(ticket, end)
        else:
            forget_request(ticket.folder)
            ticket.lock.release()
        self._send(end)

    def _obey_requests(self) -> None:
        """Whoever asks by a file in the folder of a job that waits need not wait for the running one's end."""
        if time.monotonic() - self._looked < CHECK_SECONDS:
            return
        self._looked = time.monotonic()
        with self._guard:
            asked = [t for t in self._waiting if not t.remote and cancel_requested(t.folder)]
            for ticket in asked:
                self._withdraw(ticket.job, say.Cancelled(ticket.job))

    def hello(self) -> None:
        """Once, and again when more is known."""
        hello = say.Hello(say.PROTOCOL, version(), self._engine.device, self._engine.memory_bytes)
        if hello != self._said_hello:
            self._send(hello)
        self._said_hello = hello

    # The reader's thread.

    def take(self, line: bytes | None) -> None:
        """Obeys a line or says why not."""
        if line is not None and not line.strip():
            return
        job = None
        try:
            message = parse(line, say.TO_WORKER)
            job = getattr(message, "job", None)
            with self._guard:
                getattr(self, f"_{kind_of(message)}")(message)
        except MessageError as error:
            self._send(say.Refused(clean(str(error))))
        except JobError as error:
            self._send(say.Refused(clean(str(error)), job))
        except Exception as error:
            traceback.print_exc()
            self._send(say.Refused(clean(f"Unexpected error: {error!r}."), job))

    def _submit(self, message: say.Submit) -> None:
        self._check_room(message.job)
        folder = Path(message.folder)
        if not folder.is_absolute() or not folder.is_dir():
            raise JobError(f"There is no job folder {folder}.", "Give an absolute path to an existing folder.")
        self._admit(message.job, folder)

    def _offer(self, message: say.Offer) -> None:
        self._check_room(message.job)
        if folder := self._parcels.take_offer(message):
            self._admit(message.job, folder, remote=True)

    def _piece(self, message: say.Piece) -> None:
        if folder := self._parcels.take_piece(message):
            self._admit(message.job, folder, remote=True)

    def _want(self, message: say.Want) -> None:
        self._parcels.give_piece(message)

    def _taken(self, message: say.Taken) -> None:
        self._parcels.take_thanks(message)

    def _check_room(self, job: str) -> None:
        if job in self._parcels or any(job == ticket.job for ticket in [*self._waiting, self._running] if ticket):
            raise JobError(f"There is a job {job} here already.", "Give this one another name.")
        if len(self._waiting) >= MOST_WAITING:
            raise JobError(f"{MOST_WAITING} jobs wait already.", "Submit more when some are done.")
        if self._leaving:
            raise JobError("The worker is about to leave.", "Start another.")

    def _admit(self, job: str, folder: Path, remote: bool = False) -> None:
        """Into the queue; what was done before the line to its host broke is only given back."""
        if not (folder / "job.json").is_file():
            raise JobError(f"There is no job.json in {folder}.", "Make the job again.")
        lock = claim(folder)
        ticket = Ticket(job, folder, lock, Progress(folder, *self._tellers(job, folder, remote)), remote)
        if remote and self._parcels.was_done(folder):
            self._send(say.Queued(job, 0))
            return self._ended(ticket, say.Done(job))
        try:
            write_state(JobState(), folder)
        except OSError as error:
            ticket.lock.release()
            raise in_words(error, folder) from None
        self._send(say.Queued(job, len(self._waiting)))
        self._waiting.put(ticket)
        self._wake.put(None)

    def _cancel(self, message: say.Cancel) -> None:
        if self._running and self._running.job == message.job:
            self._running.progress.cancel()
            self._send(say.Progress(message.job, "cancelling"))  # at once: it shows that the worker listens
            return
        self._withdraw(message.job, say.Cancelled(message.job))

    def _move(self, message: say.Move) -> None:
        self._waiting.put(self._taken_out(message.job), message.place)
        for place, ticket in enumerate(self._waiting):
            self._send(say.Queued(ticket.job, place))

    def _remove(self, message: say.Remove) -> None:
        self._withdraw(message.job, say.Removed(message.job))

    def _unload(self, _: say.Unload) -> None:
        self._unload_asked = True
        self._wake.put(None)

    def _shutdown(self, _: say.Shutdown) -> None:
        self.stop()

    def _finish(self, message: say.Finish) -> None:
        self._to_finish = frozenset(message.jobs)
        self.leave()

    def _ping(self, _: say.Ping) -> None:
        running = self._running.job if self._running else None
        self._send(say.Pong(running, tuple(ticket.job for ticket in self._waiting), self._engine.loaded))

    def _withdraw(self, job: str, end: say.Cancelled | say.Removed) -> None:
        """A job that has not begun, or whose files are still coming."""
        if self._parcels.drop(job):
            return self._send(end)
        ticket, cancelled = self._taken_out(job), JobState(state=CANCELLED, message="The job was cancelled.")
        ticket.forget(cancelled if isinstance(end, say.Cancelled) else None)
        self._ended(ticket, end)

    def _taken_out(self, job: str) -> Ticket:
        if self._running and self._running.job == job:
            raise JobError(f"The job {job} is running.", "Cancel it instead.")
        return self._waiting.take_out(job)

    def _tellers(self, job: str, folder: Path, remote: bool) -> tuple[Callable[[JobState], None], Callable]:
        """What the job's Progress tells and shows."""

        def show(step: int, place: str) -> None:
            if remote:
                self._parcels.previewed(job, folder, place)
            self._send(say.Preview(job, step, place))

        def tell(state: JobState) -> None:
            self._send(say.Progress(job, state.stage, state.step, state.steps, state.eta))
            self._obey_requests()

        return tell, show
