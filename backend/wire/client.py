"""The host's side of the worker: starts it, tells it what to do, hears what it says. Standard library only.

Nothing here waits but `close`: threads read, write and watch, and `poll` hands out what has come.
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
from . import messages as say
from .carrier import ENDS, Carrier
from .encoding import MessageError, check_id, encode, parse
from .last_words import LogTail, Lost, Tail, reason
from .lines import Lines
from .parcel import ParcelError
from .pipes import Heard, Outgoing
from .processes import DETACHED, kill

SECONDS_TO_ANSWER = 10.0  # for a worker that was told to cancel: it answers at once, even within a long step
SECONDS_TO_LEAVE = 5.0
SECONDS_TO_TELL = 1.0  # for the last words to a worker, which are lost if the host's process ends before them
SAME_VERSION = "Install the backend and the add-on of the same version."
TRUSTED = "Use only machines that you trust as workers; if it is yours, report this with the job's log."


class ClientError(Exception):
    """The worker cannot be started, or cannot be told this; the text is for the user."""


class Client:
    """A worker, from its start to its end. Call `poll` now and then."""

    def __init__(
        self,
        command: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str] | None = None,
        remote: bool = False,
    ):
        """command: what starts the worker: `python -m backend serve`, or that behind ssh. remote: the worker does not
        see the folders here, so their files are sent and its results fetched."""
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
            raise ClientError(f"The worker {command[0]} cannot be started ({error.strerror}).") from None
        self.jobs: dict[str, Path] = {}  # submitted and not yet ended, in that order
        self._tail, self._log_tail = Tail(self._process.stderr), LogTail()
        assert self._process.stdin is not None
        self._heard, self._to_say = Heard(), Outgoing(self._process.stdin)
        self._unconfirmed = set[str]()  # submitted, and the worker has not said anything about them
        self._closed = self._killed = False
        self._carrier = Carrier(self._say_if_it_lives, self._heard.put) if remote else None
        self._doubted_at: float | None = None  # when it was told to cancel and has not answered since
        threading.Thread(target=self._read, name="worker's stdout", daemon=True).start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stderr_tail(self) -> str:
        return self._tail.text

    def submit(self, job: str, folder: Path) -> None:
        """ClientError when there is such a job already, or the names cannot be sent; with a remote worker also when
        another has the folder, or it cannot be written."""
        if job in self.jobs:
            raise ClientError(f"The job {job} was submitted already.")
        if self._carrier:
            self._carry(self._carrier, job, folder)
        else:
            self._say(say.Submit(job, str(folder.absolute())))
        self.jobs[job] = folder
        self._unconfirmed.add(job)

    def cancel(self, job: str) -> None:
        """Asks; `poll` insists when the worker does not answer: it is then terminated, and at last killed."""
        if self._carrier and self._carrier.withdraw(say.Cancelled(job)):
            return
        self._say(say.Cancel(job))
        self._doubted_at = self._doubted_at or time.monotonic()

    def move(self, job: str, place: int) -> None:
        """ClientError while its files are still being sent."""
        if self._carrier and self._carrier.is_sending(job):
            raise ClientError(f"The job {job} is still on its way to the worker. Move it when it waits there.")
        self._say(say.Move(job, place))

    def remove(self, job: str) -> None:
        if self._carrier and self._carrier.withdraw(say.Removed(job)):
            return
        self._say(say.Remove(job))

    def unload(self) -> None:
        self._say(say.Unload())

    def ping(self) -> None:
        self._say(say.Ping())

    def poll(self) -> list[Any]:
        """What the worker said since the last call, in order; after its end a Lost, unless it was told to go."""
        heard = [self._noted(message) for message in self._heard.take()]
        if heard:
            self._doubted_at = None
        elif self._doubted_at:
            self._insist(time.monotonic() - self._doubted_at)
        return heard

    def finish(self, jobs: Sequence[str]) -> None:
        """The worker takes no more jobs, does these and ends; none: it stops at the running job's next step. Jobs that
        are not done stay queued in their folders. `leave` may follow at once."""
        self._say(say.Finish(tuple(jobs)) if jobs else say.Shutdown())

    def leave(self) -> None:
        """Lets go of the worker, without waiting for it: unless it was told what to `finish`, it finishes the running
        job and ends; the others stay queued."""
        self._closed = True
        self._to_say.end(SECONDS_TO_TELL)
        if self._carrier:
            self._carrier.let_go()

    def close(self, seconds: float = SECONDS_TO_LEAVE) -> None:
        """Ends the worker: asks, then terminates, then kills it. Jobs that were not done stay queued in their folders.

        Waits for at most twice `seconds`.
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

    def _say(self, message: Any) -> None:
        if self._closed or not self.alive:
            raise ClientError("The worker has ended.")
        try:
            self._to_say.put(encode(message))
        except MessageError as error:
            raise ClientError(str(error)) from None

    def _say_if_it_lives(self, message: Any) -> None:
        """For answers: that the worker is gone is said by `poll`."""
        with suppress(ClientError):
            self._say(message)

    def _carry(self, carrier: Carrier, job: str, folder: Path) -> None:
        if self._closed or not self.alive:
            raise ClientError("The worker has ended.")
        try:
            carrier.take(check_id(job), folder)
        except (MessageError, ParcelError) as error:
            raise ClientError(str(error)) from None

    def _noted(self, message: Any) -> Any:
        if isinstance(message, Lost):
            message = replace(message, jobs=tuple(self.jobs))
            self.jobs.clear()
            return message
        job = getattr(message, "job", None) or ""
        refused = isinstance(message, say.Refused)
        known = job not in self._unconfirmed and (not self._carrier or job in self._carrier)
        if isinstance(message, ENDS) or (refused and not known):
            self.jobs.pop(job, None)
        self._unconfirmed.discard(job)
        return message

    def _insist(self, silence: float) -> None:
        self._killed = self._killed or silence > SECONDS_TO_ANSWER
        if silence > SECONDS_TO_ANSWER + SECONDS_TO_LEAVE:
            kill(self._process)
        elif silence > SECONDS_TO_ANSWER:
            self._process.terminate()

    # The reader's thread.

    def _read(self) -> None:
        lost = self._hear_all()
        if self._carrier:
            self._carrier.let_go()
        if lost:
            self._heard.put(lost, last=True)

    def _hear_all(self) -> Lost | None:
        """-> why nothing more comes, unless it was told to end."""
        pipe, lines = self._process.stdout, Lines()
        heard = self._carrier.heard if self._carrier else self._heard_near
        assert pipe is not None
        with pipe:
            while data := pipe.read(65536):
                for line in lines.feed(data):
                    try:
                        heard(plain(parse(line, say.FROM_WORKER)))
                    except MessageError as error:
                        return self._given_up(f"is not understood. {error}", SAME_VERSION)
                    if self._heard.overflowed or self._to_say.overflowed:
                        return self._given_up("says or asks for more than a worker needs to.", TRUSTED)
        return self._ended()

    def _heard_near(self, message: Any) -> None:
        if isinstance(message, say.Progress) and (folder := self.jobs.get(message.job)):
            self._log_tail.follow(folder)
        self._heard.put(message)

    def _given_up(self, what: str, hint: str) -> Lost:
        self._closed = True
        kill(self._process)
        self._process.wait()
        return Lost(f"The worker {what}", hint)

    def _ended(self) -> Lost | None:
        """A process that lives on without its stdout is of no use."""
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            kill(self._process)
            self._process.wait()
        self._tail.finish()
        if self._killed:
            return Lost("The worker did not answer and was ended.", "Run the job again.")
        words = f"{self._tail.text}\n{self._log_tail.text}"
        return None if self._closed else Lost(*reason(self._process.returncode, words))
