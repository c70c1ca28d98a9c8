"""Sends job folders to a worker on another machine and fetches its results. Standard library only.

The local folder shows the job's progress as if the worker wrote into it, and is locked as if by a local worker. Results
become visible only after all of them have arrived; then the folder says that the job is done.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ..job_folder.lock import FolderLock, Occupied
from ..job_folder.pictures import SIGNATURE, picture_size
from ..job_folder.problem import Problem, Sentence
from ..job_folder.state import CANCELLED, DONE, QUEUED, RUNNING, JobState, write_state
from ..job_folder.writing import make_folder, remove, write_atomically
from . import messages
from .bundle import INPUTS, RESULTS, Bundle, BundleError, IncomingBundle, check_pictures, pack
from .pipes import Budget

STAGE_OUT, STAGE_BACK = "sending", "fetching"
INCOMING, PREVIEW = ".arriving", "preview/strip.png"
MAX_PREVIEW = 2_000_000  # pixels: a real preview has 50,000
RUN_AGAIN = "Run the job again."
END_MESSAGES = (messages.Done, messages.Failed, messages.Cancelled, messages.Removed)


@dataclass
class Transfer:
    """A job whose files are being sent or fetched. `end` is the worker's last message about it, kept while results are
    still arriving."""

    job: str
    folder: Path
    lock: FolderLock
    bundle: Bundle | None = None
    incoming: IncomingBundle | None = None
    end: Any = None
    notes: list[str] = field(default_factory=list)  # about results that could not replace an open file
    sent: int = 0  # pieces
    states: Budget = field(default_factory=Budget)  # limits how often state.json and previews are written
    previews: Budget = field(default_factory=Budget)
    settled: threading.Event = field(default_factory=threading.Event)  # the job is in the worker's queue or has ended


class Transfers:
    """The running transfers of one remote worker. The reader thread calls `receive`; another thread packs the files, so
    the host waits for neither."""

    def __init__(self, to_worker: Callable[[Any], None], to_host: Callable[[Any], None]):
        self._to_worker, self._to_host = to_worker, to_host
        self._guard = threading.RLock()  # protects _transfers
        self._transfers: dict[str, Transfer] = {}
        self._to_pack = SimpleQueue[Transfer | None]()
        threading.Thread(target=self._pack_all, name="worker's packer", daemon=True).start()

    def add(self, job: str, folder: Path) -> None:
        """Locks the folder and queues the job's files for sending. Raises BundleError when another worker has the
        folder or it cannot be written."""
        try:
            transfer = Transfer(job, folder, FolderLock(folder))
        except Occupied as error:
            raise BundleError(str(error)) from None
        except OSError as error:
            raise BundleError("The job folder {folder} cannot be written ({reason}).").about(
                folder=folder, reason=error.strerror
            ) from None
        with suppress(OSError):
            remove(folder / INCOMING)  # left by a host that was killed
            write_state(JobState(), folder)
        with self._guard:
            self._transfers[job] = transfer
        self._to_pack.put(transfer)

    def __contains__(self, job: str) -> bool:
        return job in self._transfers

    def is_sending(self, job: str) -> bool:
        """Whether the job's files are still being sent, so that the job is not in the worker's queue yet."""
        transfer = self._transfers.get(job)
        return transfer is not None and not transfer.settled.is_set()

    def withdraw(self, end: messages.Cancelled | messages.Removed) -> bool:
        """Ends a job that the worker does not know yet. Returns False when it already knows the job, which it must then
        end itself."""
        with self._guard:
            transfer = self._transfers.get(end.job)
            if not transfer or transfer.bundle:
                return False
            self._end(transfer, end)
            return True

    def release_all(self) -> None:
        """Releases every folder after the worker has ended, so that the jobs can be submitted to another worker."""
        self._to_pack.put(None)
        with self._guard:
            for transfer in list(self._transfers.values()):
                self._close(transfer)

    def receive(self, message: Any) -> None:
        """Handles a message from the worker and passes it on to the host once it also holds for the local folder."""
        with self._guard:
            transfer = self._transfers.get(getattr(message, "job", None) or "")
            if transfer:
                self._handle(transfer, message)
            elif isinstance(message, messages.Hello | messages.Pong | messages.Refused):
                self._to_host(message)

    def _pack_all(self) -> None:
        """Packs one job after another, so that jobs arrive in the order in which they were submitted."""
        while transfer := self._to_pack.get():
            try:
                bundle = pack(transfer.folder, INPUTS)
            except (BundleError, OSError) as error:
                with self._guard:
                    self._fail(transfer, error)
                continue
            with self._guard:
                if self._transfers.get(transfer.job) is not transfer:
                    continue
                transfer.bundle = bundle
                self._to_worker(messages.Offer(transfer.job, bundle.digest, bundle.pieces))
            transfer.settled.wait()

    def _handle(self, transfer: Transfer, message: Any) -> None:
        try:
            if isinstance(message, messages.Want):
                self._send_piece(transfer, message.number)
            elif isinstance(message, messages.Offer):
                self._start_fetching(transfer, message)
            elif isinstance(message, messages.Piece):
                self._take_piece(transfer, message)
            elif isinstance(message, END_MESSAGES):
                self._take_end(transfer, message)
            elif isinstance(message, messages.Refused):
                self._refused(transfer, message)
            elif not isinstance(message, messages.Preview) or message.file == PREVIEW:
                self._update_state(transfer, message)
                self._to_host(message)
        except (BundleError, OSError) as error:
            self._fail(transfer, error)

    def _send_piece(self, transfer: Transfer, number: int) -> None:
        if not transfer.bundle:
            raise BundleError("The worker requested files that were not offered.")
        if number != transfer.sent:  # otherwise waiting answers could fill the memory
            raise BundleError("The worker requested piece {number} instead of {sent}.").about(
                number=number, sent=transfer.sent
            )
        transfer.sent += 1
        self._to_worker(messages.Piece(transfer.job, number, *transfer.bundle.piece(number)))
        self._to_host(messages.Progress(transfer.job, STAGE_OUT, number + 1, transfer.bundle.pieces))

    def _start_fetching(self, transfer: Transfer, offer: messages.Offer) -> None:
        if transfer.incoming:
            raise BundleError("The worker offered its results twice.")
        transfer.incoming = IncomingBundle(transfer.folder / INCOMING, RESULTS, offer.digest, offer.pieces)
        for number in transfer.incoming.wanted_first:
            self._to_worker(messages.Want(transfer.job, number))

    def _take_piece(self, transfer: Transfer, piece: messages.Piece) -> None:
        if piece.file.startswith("preview/"):
            return self._take_preview(transfer, piece)
        if not transfer.incoming:
            raise BundleError("The worker sent files that were not requested.")
        following = transfer.incoming.add(piece.number, piece.file, piece.data)
        if following is not None:
            self._to_worker(messages.Want(transfer.job, following))
        self._to_host(messages.Progress(transfer.job, STAGE_BACK, transfer.incoming.received, transfer.incoming.pieces))
        self._finish_when_complete(transfer)

    def _take_preview(self, transfer: Transfer, piece: messages.Piece) -> None:
        """Writes a preview picture. Anything but a small PNG with the expected name is ignored, and so are too frequent
        ones."""
        picture = base64.b64decode(piece.data)
        width, height = (picture.startswith(SIGNATURE) and picture_size(picture)) or (0, 0)
        fits = piece.file == PREVIEW and 0 < width * height <= MAX_PREVIEW
        if not fits or not transfer.previews.allows():
            return
        with suppress(OSError):
            path = transfer.folder / piece.file
            make_folder(path.parent)
            write_atomically(path, picture)

    def _take_end(self, transfer: Transfer, end: Any) -> None:
        transfer.end = end
        if transfer.incoming:
            self._finish_when_complete(transfer)
        else:
            self._end(transfer, end)

    def _finish_when_complete(self, transfer: Transfer) -> None:
        if transfer.end and transfer.incoming and transfer.incoming.is_complete():
            check_pictures(transfer.incoming.folder / "result")
            transfer.incoming.move_into(transfer.folder, transfer.notes.append)
            self._to_worker(messages.Taken(transfer.job))
            self._end(transfer, transfer.end)

    def _refused(self, transfer: Transfer, refused: messages.Refused) -> None:
        """Handles a refused command, a refused job, or results that the worker no longer has."""
        if transfer.end:
            raise BundleError(refused.message)
        if not transfer.settled.is_set():
            self._close(transfer)
        self._to_host(refused)

    def _update_state(self, transfer: Transfer, message: Any) -> None:
        transfer.settled.set()
        if isinstance(message, messages.Queued):
            state = JobState(state=QUEUED)
        elif isinstance(message, messages.Progress):
            how = {"stage": message.stage, "step": message.step, "steps": message.steps, "eta": message.eta}
            state = JobState(state=RUNNING, **how)
        else:
            return
        if transfer.states.allows():
            with suppress(OSError):  # the host still gets the message
                write_state(state, transfer.folder)

    def _fail(self, transfer: Transfer, error: Exception) -> None:
        """Ends the job when its files cannot be transferred. The worker's copy of the job is then of no use."""
        if self._transfers.get(transfer.job) is not transfer:
            return
        if transfer.bundle and not transfer.end:
            self._to_worker(messages.Cancel(transfer.job))
        problem = Sentence(
            "The job's results cannot be fetched. {reason}"
            if transfer.end
            else "The job's files cannot be sent. {reason}",
            reason=_sentence(error),
        )
        self._end(transfer, messages.Failed(transfer.job, problem, RUN_AGAIN))

    def _end(self, transfer: Transfer, end: Any) -> None:
        with suppress(OSError):
            if isinstance(end, messages.Done):
                write_state(JobState(state=DONE, message=" ".join(transfer.notes)), transfer.folder)
            elif isinstance(end, messages.Failed):
                failed = Problem(end.message, end.hint, repair=end.repair)
                write_state(JobState.failed(failed), transfer.folder)
            elif isinstance(end, messages.Cancelled):
                write_state(JobState(state=CANCELLED, message="The job was cancelled."), transfer.folder)
            else:
                (transfer.folder / "state.json").unlink()
        self._close(transfer)
        self._to_host(end)

    def _close(self, transfer: Transfer) -> None:
        self._transfers.pop(transfer.job, None)
        if transfer.incoming:
            transfer.incoming.drop()
        transfer.lock.release()
        transfer.settled.set()


def _sentence(error: Exception) -> object:
    if isinstance(error, OSError):
        return Sentence("{path}: {reason}.", path=error.filename or "A file", reason=error.strerror or error)
    return error
