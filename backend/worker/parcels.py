"""The worker's copies of job folders that lie on another machine: taken in, run like any other, and given back.

A copy is named by the digest of its files. So a job that is offered again, after the line to its host broke, goes on
from its checkpoint or, if it is done, is given back at once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import JobError
from ..job_folder.folders import data_folder
from ..job_folder.lock import is_locked
from ..job_folder.state import DONE, read_state
from ..job_folder.storage import keep_newest
from ..job_folder.writing import remove, replace_patiently
from ..wire import messages as say
from ..wire.encoding import PIECE_BYTES
from ..wire.parcel import INPUTS, RESULTS, Arrival, Parcel, ParcelError, pack
from .one_job import in_words
from .queue import Ticket

DAYS_KEPT = 7  # for a host that does not come back
MOST_ARRIVING, MOST_OFFERED = 8, 50  # at once: each has files open, and a host sends one after the other
MOST_KEPT, MOST_BYTES = 200, 10 * 10**9  # of copies
AGAIN = "Run the job again."


class Parcels:
    """All is called with the worker's guard held, except `previewed`."""

    def __init__(self, send: Callable[[Any], None], root: Path | None = None):
        self._send, self._root = send, root or data_folder() / "received"
        self._arriving: dict[str, Arrival] = {}
        self._offered: dict[str, tuple[Ticket, Parcel]] = {}
        self._swept = False

    def __contains__(self, job: str) -> bool:
        """Whether its files are still coming."""
        return job in self._arriving

    # To the worker.

    def take_offer(self, offer: say.Offer) -> Path | None:
        """-> the job's folder if its files are here; else they are asked for. JobError."""
        if not offer.pieces:
            raise _no_job()
        self._sweep()
        if offer.job in self._offered:  # the host could not fetch its results
            self._let_go(self._offered.pop(offer.job)[0], keep=True)
        if len(self._arriving) >= MOST_ARRIVING:
            raise JobError(
                f"The files of {MOST_ARRIVING} jobs are on their way already.", "Send more when they are here."
            )
        folder = self._root / offer.digest
        with _in_words(folder):
            if (folder / "job.json").is_file():
                _check_free(folder)
                os.utime(folder)
                return folder
            remove(folder)
            part = self._root / f"{offer.digest}.{os.getpid()}.{offer.job}"
            arrival = self._arriving[offer.job] = Arrival(part, INPUTS, offer.digest, offer.pieces)
        for number in arrival.wanted_first:
            self._send(say.Want(offer.job, number))
        return None

    def take_piece(self, piece: say.Piece) -> Path | None:
        """-> the job's folder when this was the last. JobError ends the transfer."""
        arrival = self._arriving.get(piece.job)
        if not arrival:
            raise JobError(f"No files of a job {piece.job} were to come.", "Offer them first.")
        try:
            with _in_words(arrival.folder):
                following = arrival.add(piece.number, piece.file, piece.data)
                if following is not None:
                    self._send(say.Want(piece.job, following))
                return self._whole(piece.job) if arrival.whole() else None
        except JobError:
            self.drop(piece.job)
            raise

    def drop(self, job: str) -> bool:
        """Ends a transfer to here, if there is one."""
        arrival = self._arriving.pop(job, None)
        if arrival:
            arrival.drop()
        return arrival is not None

    # From the worker.

    def was_done(self, folder: Path) -> bool:
        """Whether its results only need to be given back."""
        return read_state(folder).state == DONE and all((folder / name).exists() for name in ("result.json", "log.txt"))

    def give_back(self, ticket: Ticket, end: Any) -> Any:
        """Offers what the job wrote before `end` is said; -> the end, or what else is to be said."""
        if not isinstance(end, say.Done | say.Failed):
            self._let_go(ticket, keep=isinstance(end, say.Queued))
            return end
        try:
            with _in_words(ticket.folder):
                parcel = pack(ticket.folder, RESULTS)
        except JobError as error:
            self._let_go(ticket, keep=False)
            return say.Failed(ticket.job, str(error), AGAIN)
        while len(self._offered) >= MOST_OFFERED:  # kept in its folder, and given when the job is offered again
            self._let_go(self._offered.pop(next(iter(self._offered)))[0], keep=True)
        self._offered[ticket.job] = ticket, parcel
        self._send(say.Offer(ticket.job, parcel.digest, parcel.pieces))
        return end

    def give_piece(self, want: say.Want) -> None:
        _, parcel = self._of(want.job)
        with _in_words(parcel.folder):
            self._send(say.Piece(want.job, want.number, *parcel.piece(want.number)))

    def take_thanks(self, taken: say.Taken) -> None:
        ticket, _ = self._of(taken.job)
        del self._offered[taken.job]
        self._let_go(ticket, keep=False)

    def previewed(self, job: str, folder: Path, place: str) -> None:
        """Sends a preview's file if it is small, as it should be: a job's main thread does not wait for the line."""
        with suppress(OSError, ParcelError):
            if (folder / place).stat().st_size <= PIECE_BYTES:
                parcel = Parcel(folder, (place,), (PIECE_BYTES,), "")
                self._send(say.Piece(job, 0, *parcel.piece(0)))

    def _of(self, job: str) -> tuple[Ticket, Parcel]:
        if job not in self._offered:
            raise JobError(f"No results of a job {job} are here.", AGAIN)
        return self._offered[job]

    def _let_go(self, ticket: Ticket, keep: bool) -> None:
        """keep: for a job that will be offered again."""
        if not keep:
            with suppress(OSError):
                (ticket.folder / "job.json").unlink()  # first: what is left, if any, is no job
            remove(ticket.folder)
        ticket.lock.release()
        if not keep:
            remove(ticket.folder)  # Windows removes no locked file

    def _whole(self, job: str) -> Path:
        """A copy takes its name only when it is whole. JobError when it is no job."""
        arrival = self._arriving[job]
        if not (arrival.folder / "job.json").is_file():
            raise _no_job()
        del self._arriving[job]
        folder = arrival.folder.with_name(arrival.folder.name.partition(".")[0])
        if not folder.exists():
            replace_patiently(arrival.folder, folder)  # a virus scanner looks at what was just written
        arrival.drop()
        return folder

    def _sweep(self) -> None:
        """Once: removes copies that nobody fetched, and what was left of broken transfers."""
        if self._swept or not self._root.is_dir():
            return
        self._swept = True
        for folder in self._root.iterdir():
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > DAYS_KEPT * 86400 and not is_locked(folder):
                    remove(folder)
        keep_newest(self._root.iterdir(), MOST_KEPT, MOST_BYTES)


def _check_free(folder: Path) -> None:
    """A worker whose line was cut finishes its job, and the user may be quicker."""
    if is_locked(folder):
        raise JobError(
            "The other machine is still at this job, which it began before the connection broke.",
            "Run it again in a while: what is done by then is not done again.",
        )


def _no_job() -> JobError:
    return JobError("There is no job.json among the job's files.", "Make the job again.")


@contextmanager
def _in_words(folder: Path) -> Iterator[None]:
    """Errors as JobErrors."""
    try:
        yield
    except ParcelError as error:
        raise JobError(str(error), AGAIN) from None
    except OSError as error:
        raise in_words(error, folder) from None
