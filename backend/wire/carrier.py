"""Takes job folders to a worker that does not see them, and brings back what it wrote. Standard library only.

The folder here tells how far its job is, as if the worker wrote into it, and is locked as if by the worker. Results
become visible when all have come, and only then does the folder say that the job is done.
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
from ..job_folder.state import CANCELLED, DONE, FAILED, QUEUED, RUNNING, JobState, write_state
from ..job_folder.writing import make_folder, remove, write_atomically
from . import messages as say
from .parcel import INPUTS, RESULTS, Arrival, Parcel, ParcelError, check_pictures, pack
from .pipes import Budget

STAGE_OUT, STAGE_BACK = "sending", "fetching"
ARRIVING, PREVIEW = ".arriving", "preview/strip.png"
MOST_PREVIEW = 2_000_000  # pixels: a real one has 50,000
AGAIN = "Run the job again."
ENDS = (say.Done, say.Failed, say.Cancelled, say.Removed)


@dataclass
class Freight:
    """A job on its way there or back. end: what the worker said at last, while the results are still coming."""

    job: str
    folder: Path
    lock: FolderLock
    parcel: Parcel | None = None
    arrival: Arrival | None = None
    end: Any = None
    notes: list[str] = field(default_factory=list)  # sentences about results that could not take their places
    sent: int = 0  # pieces
    states: Budget = field(default_factory=Budget)  # how often the folder is told, and previews are written
    previews: Budget = field(default_factory=Budget)
    settled: threading.Event = field(default_factory=threading.Event)  # in the worker's queue, or nowhere any more


class Carrier:
    """`heard` is called by the thread that reads; another one packs, so that the host waits for neither."""

    def __init__(self, to_worker: Callable[[Any], None], to_host: Callable[[Any], None]):
        self._to_worker, self._to_host = to_worker, to_host
        self._guard = threading.RLock()  # over the next
        self._freights: dict[str, Freight] = {}
        self._to_pack = SimpleQueue[Freight | None]()
        threading.Thread(target=self._pack_all, name="worker's packer", daemon=True).start()

    def take(self, job: str, folder: Path) -> None:
        """ParcelError when another worker has the folder, or it cannot be written."""
        try:
            freight = Freight(job, folder, FolderLock(folder))
        except Occupied as error:
            raise ParcelError(str(error)) from None
        except OSError as error:
            raise ParcelError(f"The job folder {folder} cannot be written ({error.strerror}).") from None
        with suppress(OSError):
            remove(folder / ARRIVING)  # of a host that was killed
            write_state(JobState(), folder)
        with self._guard:
            self._freights[job] = freight
        self._to_pack.put(freight)

    def __contains__(self, job: str) -> bool:
        return job in self._freights

    def is_sending(self, job: str) -> bool:
        """Whether it is not in the worker's queue yet."""
        freight = self._freights.get(job)
        return freight is not None and not freight.settled.is_set()

    def withdraw(self, end: say.Cancelled | say.Removed) -> bool:
        """Whether the worker has not heard of the job yet, so that this alone ends it."""
        with self._guard:
            freight = self._freights.get(end.job)
            if not freight or freight.parcel:
                return False
            self._end(freight, end)
            return True

    def let_go(self) -> None:
        """The worker is gone: the folders can be submitted to another."""
        self._to_pack.put(None)
        with self._guard:
            for freight in list(self._freights.values()):
                self._close(freight)

    def heard(self, message: Any) -> None:
        """Passes on to the host what the worker said, when it has come true here."""
        with self._guard:
            freight = self._freights.get(getattr(message, "job", None) or "")
            if freight:
                self._about(freight, message)
            elif isinstance(message, say.Hello | say.Pong | say.Refused):  # of other jobs there is nothing to be told
                self._to_host(message)

    def _pack_all(self) -> None:
        """One after another, so that they arrive in the order in which they were submitted."""
        while freight := self._to_pack.get():
            try:
                parcel = pack(freight.folder, INPUTS)
            except (ParcelError, OSError) as error:
                with self._guard:
                    self._fail(freight, error)
                continue
            with self._guard:
                if self._freights.get(freight.job) is not freight:
                    continue
                freight.parcel = parcel
                self._to_worker(say.Offer(freight.job, parcel.digest, parcel.pieces))
            freight.settled.wait()

    def _about(self, freight: Freight, message: Any) -> None:
        try:
            if isinstance(message, say.Want):
                self._send_piece(freight, message.number)
            elif isinstance(message, say.Offer):
                self._begin_to_fetch(freight, message)
            elif isinstance(message, say.Piece):
                self._take_piece(freight, message)
            elif isinstance(message, ENDS):
                self._take_end(freight, message)
            elif isinstance(message, say.Refused):
                self._refused(freight, message)
            elif not isinstance(message, say.Preview) or message.file == PREVIEW:
                self._note(freight, message)
                self._to_host(message)
        except (ParcelError, OSError) as error:
            self._fail(freight, error)

    def _send_piece(self, freight: Freight, number: int) -> None:
        if not freight.parcel:
            raise ParcelError("The worker asked for files that were not offered.")
        if number != freight.sent:  # else the memory could be filled with answers that wait
            raise ParcelError(f"The worker asked for piece {number} where {freight.sent} was to follow.")
        freight.sent += 1
        self._to_worker(say.Piece(freight.job, number, *freight.parcel.piece(number)))
        self._to_host(say.Progress(freight.job, STAGE_OUT, number + 1, freight.parcel.pieces))

    def _begin_to_fetch(self, freight: Freight, offer: say.Offer) -> None:
        if freight.arrival:
            raise ParcelError("The worker offered its results twice.")
        freight.arrival = Arrival(freight.folder / ARRIVING, RESULTS, offer.digest, offer.pieces)
        for number in freight.arrival.wanted_first:
            self._to_worker(say.Want(freight.job, number))

    def _take_piece(self, freight: Freight, piece: say.Piece) -> None:
        if piece.file.startswith("preview/"):
            return self._take_preview(freight, piece)
        if not freight.arrival:
            raise ParcelError("The worker sent files that were not asked for.")
        following = freight.arrival.add(piece.number, piece.file, piece.data)
        if following is not None:
            self._to_worker(say.Want(freight.job, following))
        self._to_host(say.Progress(freight.job, STAGE_BACK, freight.arrival.come, freight.arrival.pieces))
        self._finish_when_whole(freight)

    def _take_preview(self, freight: Freight, piece: say.Piece) -> None:
        """Only a picture: what is no small PNG of the one name, or comes far too often, is let go."""
        picture = base64.b64decode(piece.data)
        width, height = (picture.startswith(SIGNATURE) and picture_size(picture)) or (0, 0)
        fits = piece.file == PREVIEW and 0 < width * height <= MOST_PREVIEW
        if not fits or not freight.previews.allows():
            return
        with suppress(OSError):
            path = freight.folder / piece.file
            make_folder(path.parent)
            write_atomically(path, picture)

    def _take_end(self, freight: Freight, end: Any) -> None:
        freight.end = end
        if freight.arrival:
            self._finish_when_whole(freight)
        else:
            self._end(freight, end)

    def _finish_when_whole(self, freight: Freight) -> None:
        if freight.end and freight.arrival and freight.arrival.whole():
            check_pictures(freight.arrival.folder / "result")
            freight.arrival.move_into(freight.folder, freight.notes.append)
            self._to_worker(say.Taken(freight.job))
            self._end(freight, freight.end)

    def _refused(self, freight: Freight, refused: say.Refused) -> None:
        """An order about the job, such as to cancel it; the job itself; or its results, which are gone."""
        if freight.end:
            raise ParcelError(refused.message)
        if not freight.settled.is_set():
            self._close(freight)
        self._to_host(refused)

    def _note(self, freight: Freight, message: Any) -> None:
        freight.settled.set()
        if isinstance(message, say.Queued):
            state = JobState(state=QUEUED)
        elif isinstance(message, say.Progress):
            how = {"stage": message.stage, "step": message.step, "steps": message.steps, "eta": message.eta}
            state = JobState(state=RUNNING, **how)
        else:
            return
        if freight.states.allows():
            with suppress(OSError):  # it is told all the same
                write_state(state, freight.folder)

    def _fail(self, freight: Freight, error: Exception) -> None:
        """The files cannot be carried. What the worker has of the job is of no use."""
        if self._freights.get(freight.job) is not freight:
            return
        if freight.parcel and not freight.end:
            self._to_worker(say.Cancel(freight.job))
        what = "results cannot be fetched" if freight.end else "files cannot be sent"
        self._end(freight, say.Failed(freight.job, f"The job's {what}. {_sentence(error)}", AGAIN))

    def _end(self, freight: Freight, end: Any) -> None:
        with suppress(OSError):
            if isinstance(end, say.Done):
                write_state(JobState(state=DONE, message=" ".join(freight.notes)), freight.folder)
            elif isinstance(end, say.Failed):
                write_state(JobState(state=FAILED, message=end.message, hint=end.hint), freight.folder)
            elif isinstance(end, say.Cancelled):
                write_state(JobState(state=CANCELLED, message="The job was cancelled."), freight.folder)
            else:
                (freight.folder / "state.json").unlink()
        self._close(freight)
        self._to_host(end)

    def _close(self, freight: Freight) -> None:
        self._freights.pop(freight.job, None)
        if freight.arrival:
            freight.arrival.drop()
        freight.lock.release()
        freight.settled.set()


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'A file'}: {error.strerror or error}."
    return str(error)
