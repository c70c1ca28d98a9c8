"""The worker's copies of job folders from another machine: received, run like local jobs, and sent back.

A copy is named by the digest of its files. A job that is offered again after a lost connection therefore continues from
its checkpoint, or is sent back at once if it is done.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..job_folder.folders import data_folder
from ..job_folder.lock import is_locked
from ..job_folder.problem import Problem
from ..job_folder.state import DONE, read_state
from ..job_folder.storage import keep_newest
from ..job_folder.writing import remove, replace_with_retry
from ..wire import messages
from ..wire.bundle import INPUTS, RESULTS, Bundle, BundleError, IncomingBundle, pack
from ..wire.encoding import PIECE_BYTES
from .one_job import as_problem
from .queue import Ticket

DAYS_KEPT = 7  # for a host that does not reconnect
MAX_INCOMING, MAX_OFFERED = 8, 50  # at once: each has open files, and a host sends one job at a time
MAX_KEPT, MAX_BYTES = 200, 10 * 10**9  # copies on disk
RUN_AGAIN = "Run the job again."


class ReceivedJobs:
    """Transfers to and from the hosts of remote jobs. All methods except `send_preview` require the worker's lock."""

    def __init__(self, send: Callable[[Any], None], root: Path | None = None):
        self._send, self._root = send, root or data_folder() / "received"
        self._incoming: dict[str, IncomingBundle] = {}
        self._offered: dict[str, tuple[Ticket, Bundle]] = {}
        self._cleaned_up = False

    def __contains__(self, job: str) -> bool:
        """Whether the job's files are still arriving."""
        return job in self._incoming

    # To the worker.

    def accept_offer(self, offer: messages.Offer) -> Path | None:
        """Returns the job's folder if its files are here already; otherwise requests them and returns None. Raises
        Problem."""
        if not offer.pieces:
            raise _no_job()
        self._clean_up()
        if offer.job in self._offered:  # the host could not fetch the results
            self._release(self._offered.pop(offer.job)[0], keep=True)
        if len(self._incoming) >= MAX_INCOMING:
            raise Problem(
                "The files of {most_arriving} jobs are being sent already.", "Send more when they have arrived."
            ).about(most_arriving=MAX_INCOMING)
        folder = self._root / offer.digest
        with _as_problem(folder):
            if (folder / "job.json").is_file():
                _check_free(folder)
                os.utime(folder)
                return folder
            remove(folder)
            part = self._root / f"{offer.digest}.{os.getpid()}.{offer.job}"
            incoming = self._incoming[offer.job] = IncomingBundle(part, INPUTS, offer.digest, offer.pieces)
        for number in incoming.wanted_first:
            self._send(messages.Want(offer.job, number))
        return None

    def accept_piece(self, piece: messages.Piece) -> Path | None:
        """Writes a piece. Returns the job's folder after the last one. A Problem ends the transfer."""
        incoming = self._incoming.get(piece.job)
        if not incoming:
            raise Problem("No files of the job {job} were expected.", "Offer them first.").about(job=piece.job)
        try:
            with _as_problem(incoming.folder):
                following = incoming.add(piece.number, piece.file, piece.data)
                if following is not None:
                    self._send(messages.Want(piece.job, following))
                return self._complete(piece.job) if incoming.is_complete() else None
        except Problem:
            self.drop(piece.job)
            raise

    def drop(self, job: str) -> bool:
        """Aborts a transfer to this worker. Returns whether there was one."""
        incoming = self._incoming.pop(job, None)
        if incoming:
            incoming.drop()
        return incoming is not None

    # From the worker.

    def is_done(self, folder: Path) -> bool:
        """Whether the job is done and its results only need to be sent back."""
        return read_state(folder).state == DONE and all((folder / name).exists() for name in ("result.json", "log.txt"))

    def offer_results(self, ticket: Ticket, end: Any) -> Any:
        """Offers what the job wrote, before `end` is sent. Returns `end` or the message to send instead."""
        if not isinstance(end, messages.Done | messages.Failed):
            self._release(ticket, keep=isinstance(end, messages.Queued))
            return end
        try:
            with _as_problem(ticket.folder):
                bundle = pack(ticket.folder, RESULTS)
        except Problem as error:
            self._release(ticket, keep=False)
            return messages.Failed(ticket.job, str(error), RUN_AGAIN)
        while len(self._offered) >= MAX_OFFERED:  # the results stay in the folder until the job is offered again
            self._release(self._offered.pop(next(iter(self._offered)))[0], keep=True)
        self._offered[ticket.job] = ticket, bundle
        self._send(messages.Offer(ticket.job, bundle.digest, bundle.pieces))
        return end

    def send_piece(self, want: messages.Want) -> None:
        """Sends a requested piece of the results. Raises Problem."""
        _, bundle = self._offered_results(want.job)
        with _as_problem(bundle.folder):
            self._send(messages.Piece(want.job, want.number, *bundle.piece(want.number)))

    def confirm(self, taken: messages.Taken) -> None:
        """Removes the copy of a job whose results have arrived at the host. Raises Problem."""
        ticket, _ = self._offered_results(taken.job)
        del self._offered[taken.job]
        self._release(ticket, keep=False)

    def send_preview(self, job: str, folder: Path, path: str) -> None:
        """Sends a preview file, if it is as small as it should be. The job does not wait for the connection."""
        with suppress(OSError, BundleError):
            if (folder / path).stat().st_size <= PIECE_BYTES:
                bundle = Bundle(folder, (path,), (PIECE_BYTES,), "")
                self._send(messages.Piece(job, 0, *bundle.piece(0)))

    def _offered_results(self, job: str) -> tuple[Ticket, Bundle]:
        if job not in self._offered:
            raise Problem("There are no results of the job {job}.", RUN_AGAIN).about(job=job)
        return self._offered[job]

    def _release(self, ticket: Ticket, keep: bool) -> None:
        """Unlocks the copy and removes it, unless `keep` is set because the job will be offered again."""
        if not keep:
            with suppress(OSError):
                (ticket.folder / "job.json").unlink()  # first, so that leftovers are not taken for a job
            remove(ticket.folder)
        ticket.lock.release()
        if not keep:
            remove(ticket.folder)  # Windows cannot remove a locked file

    def _complete(self, job: str) -> Path:
        """Renames a complete copy to its final name and returns it. Raises Problem when it is not a job."""
        incoming = self._incoming[job]
        if not (incoming.folder / "job.json").is_file():
            raise _no_job()
        del self._incoming[job]
        folder = incoming.folder.with_name(incoming.folder.name.partition(".")[0])
        if not folder.exists():
            replace_with_retry(incoming.folder, folder)  # a virus scanner may have the new files open
        incoming.drop()
        return folder

    def _clean_up(self) -> None:
        """Removes, once, copies that nobody fetched and leftovers of broken transfers."""
        if self._cleaned_up or not self._root.is_dir():
            return
        self._cleaned_up = True
        for folder in self._root.iterdir():
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > DAYS_KEPT * 86400 and not is_locked(folder):
                    remove(folder)
        keep_newest(self._root.iterdir(), MAX_KEPT, MAX_BYTES)


def _check_free(folder: Path) -> None:
    """Raises Problem while the worker still runs this job. It finishes a job after a lost connection, and the user may
    retry earlier."""
    if is_locked(folder):
        raise Problem(
            "The other machine is still running this job, which it started before the connection was lost.",
            "Run it again later. Completed work is not repeated.",
        )


def _no_job() -> Problem:
    return Problem("The job's files do not include job.json.", "Create the job again.")


@contextmanager
def _as_problem(folder: Path) -> Iterator[None]:
    """Raises errors in the block as Problems."""
    try:
        yield
    except BundleError as error:
        raise Problem(str(error), RUN_AGAIN) from None
    except OSError as error:
        raise as_problem(error, folder) from None
