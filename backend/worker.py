"""The worker, `python -m backend serve`: takes messages from stdin, runs one job after another, tells on stdout.

Two threads: the reader answers messages at once, also while a job runs; the main thread runs the jobs, because signals
and devices want it so. Nothing here imports torch: the engine does, with its first job.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from .engine import JobEngine
from .errors import Cancelled, Interrupted, JobError
from .one_job import claim, in_words, run_to_end
from .progress import Progress
from .wire import messages as say
from .wire.encoding import MessageError, kind_of, parse
from .wire.folder_lock import FolderLock
from .wire.job_state import CANCELLED, JobState, write_state
from .wire.lines import Lines
from .wire.version import version
from .worker_streams import Outbox, Printed, take_pipes

MOST_WAITING = 200  # each holds a file lock, and systems limit open files
MOST_TEXT = 10_000  # characters of an error in a message; the log has the rest
IDLE_SECONDS = 600.0


@dataclass
class Ticket:
    """A job of the queue."""

    job: str
    folder: Path
    lock: FolderLock
    progress: Progress


class Worker:
    """`take` may be called from another thread than `work`, which runs jobs until there is a reason to leave."""

    def __init__(self, engine: JobEngine, send: Callable[[Any], None], printed: Printed, idle_seconds: float):
        self._engine, self._send, self._printed, self._idle_seconds = engine, send, printed, idle_seconds
        self._guard = threading.Lock()  # over the two that follow
        self._waiting: list[Ticket] = []
        self._running: Ticket | None = None
        self._leaving = self._unload_asked = False
        self._wake = SimpleQueue[None]()  # of all queues, only this one may be filled by a signal handler
        self._said_hello: say.Hello | None = None

    # The main thread.

    def work(self) -> None:
        while not self._leaving:
            if self._unload_asked:
                self._unload_asked = False
                self._engine.unload()
            elif ticket := self._next():
                self._run(ticket)
            else:
                self._wait()

    def leave(self) -> None:
        """After the running job. Those that wait stay queued in their folders."""
        self._leaving = True
        self._wake.put(None)

    def stop(self, *_: Any) -> None:
        """At the running job's next step; also a signal handler, so no lock is taken."""
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
            self._running = self._waiting.pop(0) if self._waiting else None
            return self._running

    def _run(self, ticket: Ticket) -> None:
        if self._leaving:  # asked while this job was being fetched
            ticket.progress.cancel(Interrupted)
        with self._printed.to_log_of(ticket.folder):
            end = self._end_of(ticket)
        self._engine.tidy()
        ticket.lock.release()
        with self._guard:
            self._running = None
        self.hello()
        self._send(end)

    def _end_of(self, ticket: Ticket) -> Any:
        """Runs the job; -> the last message about it."""
        try:
            result = run_to_end(ticket.folder, ticket.progress, self._engine.run)
        except Interrupted:
            return say.Queued(ticket.job, 0)
        except Cancelled:
            return say.Cancelled(ticket.job)
        except JobError as error:
            return say.Failed(ticket.job, _clean(error.message), _clean(error.hint))
        return say.Done(ticket.job, result["device"], result["memory_bytes"])

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
            self._send(say.Refused(_clean(str(error))))
        except JobError as error:
            self._send(say.Refused(_clean(str(error)), job))
        except Exception as error:
            traceback.print_exc()
            self._send(say.Refused(_clean(f"Something unforeseen happened: {error!r}."), job))

    def _submit(self, message: say.Submit) -> None:
        if any(message.job == ticket.job for ticket in [*self._waiting, self._running] if ticket):
            raise JobError(f"There is a job {message.job} here already.", "Give this one another name.")
        if len(self._waiting) >= MOST_WAITING:
            raise JobError(f"{MOST_WAITING} jobs wait already.", "Submit more when some are done.")
        if self._leaving:
            raise JobError("The worker is about to leave.", "Start another.")
        folder = Path(message.folder)
        if not folder.is_absolute() or not folder.is_dir():
            raise JobError(f"There is no job folder {folder}.", "Give an absolute path to an existing folder.")
        if not (folder / "job.json").is_file():
            raise JobError(f"There is no job.json in {folder}.", "Make the job again.")
        ticket = Ticket(message.job, folder, claim(folder), Progress(folder, self._teller(message.job)))
        try:
            write_state(JobState(), folder)
        except OSError as error:
            ticket.lock.release()
            raise in_words(error, folder) from None
        self._send(say.Queued(ticket.job, len(self._waiting)))
        self._waiting.append(ticket)
        self._wake.put(None)

    def _cancel(self, message: say.Cancel) -> None:
        if self._running and self._running.job == message.job:
            self._running.progress.cancel()
            self._send(say.Progress(message.job, "cancelling"))  # at once: it shows that the worker listens
            return
        ticket = self._taken_out(message.job)
        _forget(ticket, JobState(state=CANCELLED, message="The job was cancelled."))
        self._send(say.Cancelled(ticket.job))

    def _move(self, message: say.Move) -> None:
        self._waiting.insert(message.place, self._taken_out(message.job))
        for place, ticket in enumerate(self._waiting):
            self._send(say.Queued(ticket.job, place))

    def _remove(self, message: say.Remove) -> None:
        ticket = self._taken_out(message.job)
        _forget(ticket, None)
        self._send(say.Removed(ticket.job))

    def _unload(self, _: say.Unload) -> None:
        self._unload_asked = True
        self._wake.put(None)

    def _shutdown(self, _: say.Shutdown) -> None:
        self.stop()

    def _ping(self, _: say.Ping) -> None:
        running = self._running.job if self._running else None
        self._send(say.Pong(running, tuple(ticket.job for ticket in self._waiting), self._engine.loaded))

    def _taken_out(self, job: str) -> Ticket:
        for ticket in self._waiting:
            if ticket.job == job:
                self._waiting.remove(ticket)
                return ticket
        if self._running and self._running.job == job:
            raise JobError(f"The job {job} is running.", "Cancel it instead.")
        raise JobError(f"No job {job} waits here.", "It may be done already.")

    def _teller(self, job: str) -> Callable[[JobState], None]:
        return lambda s: self._send(say.Progress(job, s.stage, s.step, s.steps, s.eta))


def serve(engine: JobEngine, idle_seconds: float = IDLE_SECONDS) -> None:
    """Until stdin is closed, or SIGTERM or a Shutdown message comes."""
    protocol_in, protocol_out = take_pipes()
    outbox = Outbox(protocol_out)
    worker = Worker(engine, outbox.send, Printed.installed(), idle_seconds)
    for number in (signal.SIGINT, signal.SIGTERM):  # Windows ends a process without asking: stdin tells it there
        signal.signal(number, worker.stop)
    worker.hello()
    threading.Thread(target=_read, args=(protocol_in, worker), name="reader", daemon=True).start()
    worker.work()
    outbox.flush()


def _read(descriptor: int, worker: Worker) -> None:
    lines = Lines()
    try:
        while data := os.read(descriptor, 65536):
            for line in lines.feed(data):
                worker.take(line)
    finally:
        worker.leave()


def _forget(ticket: Ticket, state: JobState | None) -> None:
    """Of a job that will not run. A folder that is gone or read-only keeps what it says: the host has been told."""
    with suppress(OSError):
        if state:
            write_state(state, ticket.folder)
        else:
            (ticket.folder / "state.json").unlink()
    ticket.lock.release()


def _clean(text: str) -> str:
    """As a message can hold it: paths may contain bytes that are no text."""
    return text[:MOST_TEXT].encode("utf-8", "replace").decode("utf-8").replace("\0", "")
