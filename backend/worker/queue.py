"""The queue of jobs that a worker has accepted but not started."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..job.progress import Progress
from ..job_folder.lock import FolderLock
from ..job_folder.problem import Problem, Sentence
from ..job_folder.state import JobState, write_state


@dataclass
class Ticket:
    """A job in the queue. `remote` marks a folder that is a copy of one on another machine."""

    job: str
    folder: Path
    lock: FolderLock
    progress: Progress
    remote: bool = False

    def forget(self, state: JobState | None) -> None:
        """Writes the final state of a job that will not run, or removes its state. Errors are ignored, because the host
        knows."""
        with suppress(OSError):
            if state:
                write_state(state, self.folder)
            else:
                (self.folder / "state.json").unlink()

    def without_folder(self, text: Sentence) -> Sentence:
        """`text` for the host. The path of a copy means nothing there and is replaced with the job's name."""
        return text.changed(lambda value: value.replace(str(self.folder), self.job)) if self.remote else text


class Waiting:
    """The waiting tickets in order, the next one first."""

    def __init__(self) -> None:
        self._tickets: list[Ticket] = []

    def __len__(self) -> int:
        return len(self._tickets)

    def __iter__(self) -> Iterator[Ticket]:
        return iter(self._tickets)

    def put(self, ticket: Ticket, position: int | None = None) -> None:
        """Inserts a ticket behind `position` others, by default at the end."""
        self._tickets.insert(len(self._tickets) if position is None else position, ticket)

    def next(self, among: Container[str] | None = None) -> Ticket | None:
        """Removes and returns the first ticket, or the first whose job is in `among`."""
        for i, ticket in enumerate(self._tickets):
            if among is None or ticket.job in among:
                return self._tickets.pop(i)
        return None

    def take_out(self, job: str) -> Ticket:
        """Removes and returns the ticket of a job. Raises Problem when it does not wait here."""
        for i, ticket in enumerate(self._tickets):
            if ticket.job == job:
                return self._tickets.pop(i)
        raise Problem("The job {job} is not in the queue.", "It may be done already.").about(job=job)
