"""The messages between a host (the add-on) and the worker: one JSON object per line, UTF-8. Standard library only.

{"kind": "submit", "job": "take-1", "folder": "/data/jobs/take-1", "protocol": 2}

encoding.py converts them to lines and back.
"""

from __future__ import annotations

from dataclasses import dataclass

PROTOCOL = 2

JobId = str  # the host's name for a job: [A-Za-z0-9_-]{1,64}, not a Windows device name
Count = int  # an integer, at least 0
RelativePath = str  # of a file below the job folder, with slashes
Digest = str  # SHA-256, 64 lower-case hexadecimal digits
Base64 = str  # at most 256 KiB of a file


# To the worker.


@dataclass(frozen=True)
class Submit:
    """Runs the job in `folder` after the jobs that already wait. `folder` is an absolute path to a folder with a
    job.json."""

    job: JobId
    folder: str
    protocol: Count = PROTOCOL


@dataclass(frozen=True)
class Cancel:
    """Stops a running or waiting job. Its folder then says that it was cancelled."""

    job: JobId


@dataclass(frozen=True)
class Move:
    """Moves a waiting job behind `position` others."""

    job: JobId
    position: Count


@dataclass(frozen=True)
class Remove:
    """Takes a waiting job out of the queue as if it had never been submitted. Its folder keeps no state."""

    job: JobId


@dataclass(frozen=True)
class Unload:
    """Frees the model's memory, after the running job if there is one."""


@dataclass(frozen=True)
class Shutdown:
    """Exits at the running job's next step. The running job and the waiting jobs stay queued in their folders.

    Closing the worker's stdin instead lets it finish the running job first.
    """


@dataclass(frozen=True)
class Finish:
    """Accepts no more jobs, finishes `jobs` (running or waiting) and exits. All other jobs stay queued in their
    folders.

    The host may close the worker's stdin right after it. A worker that does not know this message refuses it and, when
    stdin is closed, finishes the running job.
    """

    jobs: tuple[JobId, ...]


@dataclass(frozen=True)
class Ping:
    """Asks for a Pong, which also comes while a job runs."""


@dataclass(frozen=True)
class Taken:
    """Confirms that all offered results have arrived. The worker then removes its copy of the job."""

    job: JobId


# In both directions, when the worker does not see the host's folders: see bundle.py.


@dataclass(frozen=True)
class Offer:
    """Offers a job's files in `pieces` pieces. `digest` covers all their names and contents.

    From the host it means Submit. The worker answers with Want until it has all files, or with Queued at once if it
    still has them. From the worker it offers the results that the following Done or Failed refers to.
    """

    job: JobId
    digest: Digest
    pieces: Count
    protocol: Count = PROTOCOL


@dataclass(frozen=True)
class Want:
    """Requests a piece of what was offered. The receiver requests two at a time, so that other messages are not
    delayed."""

    job: JobId
    number: Count


@dataclass(frozen=True)
class Piece:
    """The next bytes of `file`, in base64. Files are sent in the order of their names.

    A worker sends a file in preview/ as a single piece, unasked, before the Preview that names it.
    """

    job: JobId
    number: Count
    file: RelativePath
    data: Base64


# From the worker.


@dataclass(frozen=True)
class Hello:
    """The worker's first message, sent again when the device is known, which requires torch and therefore a job.

    version: of the extension; memory_bytes: total device memory, None if unknown.
    """

    protocol: Count
    version: str
    device: str | None = None
    memory_bytes: Count | None = None


@dataclass(frozen=True)
class Queued:
    """The job waits behind `position` others."""

    job: JobId
    position: Count


@dataclass(frozen=True)
class Progress:
    """Progress of the running job. steps: 0 for a stage without steps; eta: estimated seconds until the job is done,
    None if unknown."""

    job: JobId
    stage: str
    step: Count = 0
    steps: Count = 0
    eta: float | None = None


@dataclass(frozen=True)
class Preview:
    """A new preview of the clip after `step`. `file` is a PNG with a strip of small frames; each preview replaces the
    last one."""

    job: JobId
    step: Count
    file: RelativePath


@dataclass(frozen=True)
class Done:
    """The job is done and its folder holds the result. memory_bytes: peak device memory, None if unknown."""

    job: JobId
    device: str | None = None
    memory_bytes: Count | None = None


@dataclass(frozen=True)
class Failed:
    """The job failed. message, hint and repair: as in Problem."""

    job: JobId
    message: str
    hint: str = ""
    repair: str = ""


@dataclass(frozen=True)
class Cancelled:
    """The job stopped because it was cancelled."""

    job: JobId


@dataclass(frozen=True)
class Removed:
    """The job is no longer in the queue."""

    job: JobId


@dataclass(frozen=True)
class Pong:
    """The worker's status. running: a job; waiting: the queued jobs in order; loaded: the model in memory."""

    running: JobId | None
    waiting: tuple[JobId, ...]
    loaded: str | None


@dataclass(frozen=True)
class Refused:
    """A command was not executed. job: the job it named, if that could be read; the job itself continues unchanged."""

    message: str
    job: JobId | None = None


_BOTH_DIRECTIONS = (Offer, Want, Piece)
TO_WORKER = (Submit, Cancel, Move, Remove, Unload, Shutdown, Finish, Ping, Taken, *_BOTH_DIRECTIONS)
_ENDS = (Done, Failed, Cancelled, Removed)
FROM_WORKER = (Hello, Queued, Progress, Preview, *_ENDS, Pong, Refused, *_BOTH_DIRECTIONS)
