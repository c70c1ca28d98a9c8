"""The jobs that a worker was given and has not begun, in their order."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import JobError
from ..job.progress import Progress
from ..job_folder.lock import FolderLock
from ..job_folder.state import JobState, write_state


@dataclass
class Ticket:
    """A job. remote: its folder is a copy of one on another machine."""

    job: str
    folder: Path
    lock: FolderLock
    progress: Progress
    remote: bool = False

    def forget(self, state: JobState | None) -> None:
        """It will not run. A folder that is gone or read-only keeps what it says: the host has been told."""
        with suppress(OSError):
            if state:
                write_state(state, self.folder)
            else:
                (self.folder / "state.json").unlink()

    def told(self, text: str) -> str:
        """For the host, to which the place of a copy means nothing."""
        return text.replace(str(self.folder), self.job) if self.remote else text


class Waiting:
    """Tickets, the next one first."""

    def __init__(self) -> None:
        self._tickets: list[Ticket] = []

    def __len__(self) -> int:
        return len(self._tickets)

    def __iter__(self) -> Iterator[Ticket]:
        return iter(self._tickets)

    def put(self, ticket: Ticket, place: int | None = None) -> None:
        """place: how many wait before it; all by default."""
        self._tickets.insert(len(self._tickets) if place is None else place, ticket)

    def next(self, among: Container[str] | None = None) -> Ticket | None:
        """Takes the first one out. among: the jobs that may be; all by default."""
        for i, ticket in enumerate(self._tickets):
            if among is None or ticket.job in among:
                return self._tickets.pop(i)
        return None

    def take_out(self, job: str) -> Ticket:
        """JobError when it does not wait here."""
        for i, ticket in enumerate(self._tickets):
            if ticket.job == job:
                return self._tickets.pop(i)
        raise JobError(f"No job {job} waits here.", "It may be done already.")
