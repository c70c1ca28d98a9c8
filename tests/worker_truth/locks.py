"""Two workers and one job folder: whatever happens to worker.lock, only one of them has it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from backend.bench.recording_client import DUMMY, RecordingClient, make_job
from backend.job_folder.lock import NAME
from backend.wire import messages
from backend.wire.client import Lost
from tests.worker_truth.case import Case, Tried


def replaced(lock: Path) -> None:
    lock.unlink()
    lock.write_text("planted")


def linked(lock: Path) -> None:
    lock.unlink()
    lock.symlink_to(lock.with_name("elsewhere"))


def moved(lock: Path) -> None:
    lock.rename(lock.with_name("moved"))


CHANGES: dict[str, Callable[[Path], None]] = {
    "as it is": lambda lock: None,
    "emptied": lambda lock: os.truncate(lock, 0),
    "deleted": lambda lock: lock.unlink(),
    "replaced": replaced,
    "replaced by a link": linked,
    "moved away": moved,
}


def two_workers(what: str) -> Case:
    def tried(root: Path) -> Tried:
        folder = make_job(root / "a", steps=1000, seconds=0.02)
        with RecordingClient(DUMMY) as first, RecordingClient(DUMMY) as second:
            first.client.submit("a", folder)
            first.until(messages.Progress)
            CHANGES[what](folder / NAME)
            second.client.submit("mine", folder)
            refused = second.until(messages.Refused, job="mine").message
            os.kill(first.client.pid, signal.SIGKILL)
            first.until(Lost)
            (folder / NAME).unlink(missing_ok=True)
            second.client.submit("mine", folder)
            second.until(messages.Progress, job="mine")
        escaped = (folder / "elsewhere").exists()
        return ("in use by another worker" in refused or "is a link" in refused) and not escaped, refused[-60:]

    return Case(f"worker.lock {what}: no second worker, until the first is killed", tried)


CASES = list(map(two_workers, CHANGES))
