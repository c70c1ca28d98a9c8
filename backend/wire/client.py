"""The host's side of the connection to a worker: starts it, sends commands and receives messages. Standard library
only.

Only `close` blocks. Threads read, write and watch the process; `poll` returns what has arrived.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..job_folder.plain_text import plain
from ..job_folder.problem import Problem, Sentence
from . import messages
from .bundle import BundleError
from .encoding import MessageError, check_id, encode, parse
from .exit_reason import LogTail, Lost, Tail, reason
from .lines import Lines
from .pipes import Inbox, Outbox
from .processes import DETACHED, kill
from .transfers import END_MESSAGES, Transfers

SECONDS_TO_ANSWER = 10.0  # after a cancel command, which a healthy worker answers at once, even within a long step
SECONDS_TO_LEAVE = 5.0
SECONDS_TO_FLUSH = 1.0  # for the last messages, which are lost if the host's process ends before they are written
SAME_VERSION = "Install the same version of the backend and the add-on."
TRUSTED = "Use only trusted machines as workers. If it is your own, report this with the job's log."


class ClientError(Problem):
    """The worker cannot be started, or a command cannot be sent. The text is for the user."""


class Client:
    """A worker process, from its start to its end. Call `poll` regularly."""

    def __init__(
        self, command: Sequence[str], cwd: Path, environment: Mapping[str, str] | None = None, remote: bool = False
    ):
        """Starts the worker with `command`: `python -m backend serve`, or the same behind ssh.

        remote: the worker does not see the local folders, so the client sends their files and fetches the results.
        Raises ClientError when the command cannot be started.
        """
        try:
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                **DETACHED,
            )
        except OSError as error:
            raise ClientError("The worker {command} cannot be started ({reason}).").about(
                command=command[0], reason=error.strerror
            ) from None
        self.jobs: dict[str, Path] = {}  # submitted and not ended, in the order of submission
        self._tail, self._log_tail = Tail(self._process.stderr), LogTail()
        assert self._process.stdin is not None
        self._inbox, self._outbox = Inbox(), Outbox(self._process.stdin)
        self._unconfirmed = set[str]()  # submitted, without any message from the worker yet
        self._closed = self._killed = False
        self._transfers = Transfers(self._send_if_alive, self._inbox.put) if remote else None
        self._silent_since: float | None = None  # since when a cancel command is unanswered
        threading.Thread(target=self._read, name="worker's stdout", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the worker process is running."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stderr_tail(self) -> str:
        """The last lines that the worker printed to stderr."""
        return self._tail.text

    def submit(self, job: str, folder: Path) -> None:
        """Queues the job in `folder` under the name `job`.

        Raises ClientError when the name is in use, when it or the path cannot be sent, or when a remote worker's folder
        is in use or cannot be written.
        """
        if job in self.jobs:
            raise ClientError("The job {job} has already been submitted.").about(job=job)
        if self._transfers:
            self._transfer(self._transfers, job, folder)
        else:
            self._send(messages.Submit(job, str(folder.absolute())))
        self.jobs[job] = folder
        self._unconfirmed.add(job)

    def cancel(self, job: str) -> None:
        """Asks the worker to stop the job. If it does not answer, `poll` terminates it and finally kills it."""
        if self._transfers and self._transfers.withdraw(messages.Cancelled(job)):
            return
        self._send(messages.Cancel(job))
        self._silent_since = self._silent_since or time.monotonic()

    def move(self, job: str, position: int) -> None:
        """Moves a waiting job behind `position` others. Raises ClientError while the job's files are still being
        sent."""
        if self._transfers and self._transfers.is_sending(job):
            raise ClientError("The job {job} is still being sent to the worker. Move it when it waits there.").about(
                job=job
            )
        self._send(messages.Move(job, position))

    def remove(self, job: str) -> None:
        """Takes a waiting job out of the queue."""
        if self._transfers and self._transfers.withdraw(messages.Removed(job)):
            return
        self._send(messages.Remove(job))

    def unload(self) -> None:
        """Asks the worker to free the model's memory."""
        self._send(messages.Unload())

    def ping(self) -> None:
        """Asks for the worker's status; it answers with a Pong."""
        self._send(messages.Ping())

    def poll(self) -> list[Any]:
        """Returns the messages since the last call, in order. The last one is a Lost if the worker ended without being
        asked to."""
        received = [self._track(message) for message in self._inbox.take()]
        if received:
            self._silent_since = None
        elif self._silent_since:
            self._end_if_silent(time.monotonic() - self._silent_since)
        return received

    def finish(self, jobs: Sequence[str]) -> None:
        """Tells the worker to accept no more jobs, finish `jobs` and exit. Without jobs it stops at the running job's
        next step.

        Jobs that are not done stay queued in their folders. `leave` may follow at once.
        """
        self._send(messages.Finish(tuple(jobs)) if jobs else messages.Shutdown())

    def leave(self) -> None:
        """Disconnects from the worker without waiting. It then does what `finish` told it, or finishes the running job
        and exits."""
        self._closed = True
        self._outbox.end(SECONDS_TO_FLUSH)
        if self._transfers:
            self._transfers.release_all()

    def close(self, seconds: float = SECONDS_TO_LEAVE) -> None:
        """Ends the worker: asks it to stop, then terminates it, then kills it. Waits at most twice `seconds`.

        Jobs that were not done stay queued in their folders.
        """
        with suppress(ClientError):
            self.finish(())
        self.leave()
        for insist in (self._process.terminate, lambda: kill(self._process)):
            try:
                self._process.wait(seconds)
                return
            except subprocess.TimeoutExpired:
                insist()
        self._process.wait()

    def _send(self, message: Any) -> None:
        if self._closed or not self.alive:
            raise ClientError("The worker has ended.")
        try:
            self._outbox.put(encode(message))
        except MessageError as error:
            raise ClientError(error.text) from None

    def _send_if_alive(self, message: Any) -> None:
        """Sends an automatic answer. Nothing is raised when the worker has ended, because `poll` reports that."""
        with suppress(ClientError):
            self._send(message)

    def _transfer(self, transfers: Transfers, job: str, folder: Path) -> None:
        if self._closed or not self.alive:
            raise ClientError("The worker has ended.")
        try:
            transfers.add(check_id(job), folder)
        except (MessageError, BundleError) as error:
            raise ClientError(str(error)) from None

    def _track(self, message: Any) -> Any:
        if isinstance(message, Lost):
            message = replace(message, jobs=tuple(self.jobs))
            self.jobs.clear()
            return message
        job = getattr(message, "job", None) or ""
        refused = isinstance(message, messages.Refused)
        known = job not in self._unconfirmed and (not self._transfers or job in self._transfers)
        if isinstance(message, END_MESSAGES) or (refused and not known):
            self.jobs.pop(job, None)
        self._unconfirmed.discard(job)
        return message

    def _end_if_silent(self, silence: float) -> None:
        self._killed = self._killed or silence > SECONDS_TO_ANSWER
        if silence > SECONDS_TO_ANSWER + SECONDS_TO_LEAVE:
            kill(self._process)
        elif silence > SECONDS_TO_ANSWER:
            self._process.terminate()

    # The reader thread.

    def _read(self) -> None:
        lost = self._read_messages()
        if self._transfers:
            self._transfers.release_all()
        if lost:
            self._inbox.put(lost, last=True)

    def _read_messages(self) -> Lost | None:
        """Reads until the worker ends. Returns why no more messages come, or None if the worker was told to end."""
        pipe, lines = self._process.stdout, Lines()
        received = self._transfers.receive if self._transfers else self._receive_local
        assert pipe is not None
        with pipe:
            while data := pipe.read(65536):
                for line in lines.feed(data):
                    try:
                        received(plain(parse(line, messages.FROM_WORKER)))
                    except MessageError as error:
                        return self._give_up(
                            Sentence("The worker sent an invalid message. {reason}", reason=error), SAME_VERSION
                        )
                    if self._inbox.overflowed or self._outbox.overflowed:
                        return self._give_up("The worker sent or requested too much data.", TRUSTED)
        return self._ended()

    def _receive_local(self, message: Any) -> None:
        if isinstance(message, messages.Progress) and (folder := self.jobs.get(message.job)):
            self._log_tail.follow(folder)
        self._inbox.put(message)

    def _give_up(self, what: str, hint: str) -> Lost:
        self._closed = True
        kill(self._process)
        self._process.wait()
        return Lost(what, hint)

    def _ended(self) -> Lost | None:
        """The end of the worker's stdout. A process that lives on without its stdout is of no use and is killed."""
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            kill(self._process)
            self._process.wait()
        self._tail.finish()
        if self._killed:
            return Lost("The worker did not respond and was stopped.", "Run the job again.")
        words = f"{self._tail.text}\n{self._log_tail.text}"
        return None if self._closed else Lost(*reason(self._process.returncode, words))
