"""What a host (the add-on) and the worker say to each other: one JSON object a line, UTF-8. Standard library only.

{"kind": "submit", "job": "take-1", "folder": "/data/jobs/take-1", "protocol": 1}

encoding.py makes lines of them and reads them.
"""

from __future__ import annotations

from dataclasses import dataclass

PROTOCOL = 1

JobId = str  # the host's name for a job: [A-Za-z0-9_-]{1,64}, and not a device's name on Windows
Count = int  # a whole number from 0
Place = str  # of a file within a job's folder, with slashes
Digest = str  # SHA-256, 64 lower-case hexadecimal digits
Base64 = str  # at most 256 KiB of a file


# To the worker.


@dataclass(frozen=True)
class Submit:
    """Run the job in `folder`, an absolute path to an existing folder with a job.json, after those that wait."""

    job: JobId
    folder: str
    protocol: Count = PROTOCOL


@dataclass(frozen=True)
class Cancel:
    """Stop the job, running or waiting; its folder will say that it was cancelled."""

    job: JobId


@dataclass(frozen=True)
class Move:
    """Let a waiting job wait behind `place` others."""

    job: JobId
    place: Count


@dataclass(frozen=True)
class Remove:
    """Take a waiting job out of the queue as if it had never been submitted: its folder keeps no state."""

    job: JobId


@dataclass(frozen=True)
class Unload:
    """Give the model's memory back, after the running job if there is one."""


@dataclass(frozen=True)
class Shutdown:
    """Leave at the next step. The running job and those that wait stay queued in their folders, to be offered again.

    To close the worker's stdin is milder: it finishes the running job first.
    """


@dataclass(frozen=True)
class Finish:
    """Take no more jobs: do these, running or waiting, then leave. All others stay queued in their folders.

    The host may close the worker's stdin right after it. A worker that does not know the message refuses it and does
    what it does when stdin is closed: it finishes the running job.
    """

    jobs: tuple[JobId, ...]


@dataclass(frozen=True)
class Ping:
    """Answered by Pong, also while a job runs."""


@dataclass(frozen=True)
class Taken:
    """The results that were offered have arrived whole: the worker removes its copy of the job."""

    job: JobId


# Both ways, where the worker does not see the host's folders: see parcel.py.


@dataclass(frozen=True)
class Offer:
    """The job's files can be had in so many pieces. digest: of all their names and contents.

    From the host it means Submit, answered first by Want until all files have come, or at once by Queued where the
    worker has them still. From the worker: results, which the Done or Failed that follows is about.
    """

    job: JobId
    digest: Digest
    pieces: Count
    protocol: Count = PROTOCOL


@dataclass(frozen=True)
class Want:
    """Send a piece of what was offered. The receiver asks for two at a time, so that other messages soon come by."""

    job: JobId
    number: Count


@dataclass(frozen=True)
class Piece:
    """The bytes of `file` that follow the piece before. Files come in the order of their names.

    From the worker, one in preview/ is whole and comes unasked, before the Preview that names it.
    """

    job: JobId
    number: Count
    file: Place
    data: Base64


# From the worker.


@dataclass(frozen=True)
class Hello:
    """First of all, and again once the device is known, which takes torch and therefore a job.

    version: of the extension; memory_bytes: all that the device has, None where it does not tell.
    """

    protocol: Count
    version: str
    device: str | None = None
    memory_bytes: Count | None = None


@dataclass(frozen=True)
class Queued:
    """The job waits behind `place` others."""

    job: JobId
    place: Count


@dataclass(frozen=True)
class Progress:
    """How far the running job is; steps is 0 where a stage has none; eta: seconds until the job is done, as far as can
    be known, None before."""

    job: JobId
    stage: str
    step: Count = 0
    steps: Count = 0
    eta: float | None = None


@dataclass(frozen=True)
class Preview:
    """file: a PNG, a strip of small frames as the clip looks after `step`; the next one takes its place."""

    job: JobId
    step: Count
    file: Place


@dataclass(frozen=True)
class Done:
    """The result lies in the job's folder. memory_bytes: the most that was held of the device, None if unknown."""

    job: JobId
    device: str | None = None
    memory_bytes: Count | None = None


@dataclass(frozen=True)
class Failed:
    """What is wrong, and what to do next."""

    job: JobId
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Cancelled:
    """The job stopped because it was told to."""

    job: JobId


@dataclass(frozen=True)
class Removed:
    """The job is no longer in the queue."""

    job: JobId


@dataclass(frozen=True)
class Pong:
    """running: a job; waiting: those to come, in order; loaded: the model that is held in memory."""

    running: JobId | None
    waiting: tuple[JobId, ...]
    loaded: str | None


@dataclass(frozen=True)
class Refused:
    """A line was not obeyed. job: the one it named, if it could be read; whatever that job does, it goes on doing."""

    message: str
    job: JobId | None = None


_BOTH_WAYS = (Offer, Want, Piece)
TO_WORKER = (Submit, Cancel, Move, Remove, Unload, Shutdown, Finish, Ping, Taken, *_BOTH_WAYS)
_ENDS = (Done, Failed, Cancelled, Removed)
FROM_WORKER = (Hello, Queued, Progress, Preview, *_ENDS, Pong, Refused, *_BOTH_WAYS)
