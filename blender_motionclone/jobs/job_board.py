"""How each job of this session stands, as far as the worker has told. Without bpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...backend.job_folder.state import CANCELLED, DONE, FAILED, RUNNING, JobState
from ...backend.wire import messages

OUT = JobState(state=CANCELLED, message="The job was taken out of the queue.", hint="Run it again, or remove the take.")


@dataclass(frozen=True, kw_only=True)
class WorkerStatus:
    """state: "stopped", "starting", "ready" or "lost"; message and hint tell why it was lost. device and memory_bytes
    are known once a job ran."""

    state: str = "stopped"
    device: str | None = None
    memory_bytes: int | None = None
    message: str = ""
    hint: str = ""


class JobBoard:
    """`take` notes what the worker said; -> the id of the job that it changed, if any."""

    def __init__(self) -> None:
        self.worker = WorkerStatus()
        self.order: list[str] = []  # handed over and not ended, as the worker takes them: the running one first
        self.states: dict[str, JobState] = {}  # of all jobs of this session
        self.previews: dict[str, tuple[int, Path]] = {}  # the step, and the picture
        self.folders: dict[str, Path] = {}
        self.cancelling = set[str]()
        self._unheard = set[str]()  # whose place in the queue is the last, as they were handed over

    def add(self, job: str, folder: Path) -> None:
        self.cancelling.discard(job)
        self.previews.pop(job, None)
        self.folders[job], self.states[job] = folder, JobState()
        self.order.append(job)
        self._unheard.add(job)

    def take(self, message: Any) -> str | None:
        if isinstance(message, messages.Hello):
            self.worker = WorkerStatus(state="ready", device=message.device, memory_bytes=message.memory_bytes)
            return None
        job, how = getattr(message, "job", None), _HOW.get(type(message))
        if how is None or job not in self.order:
            return None
        how(self, message)
        return job

    def end(self, job: str, state: JobState) -> None:
        self.order.remove(job)
        self.states[job] = state

    def _queued(self, message: messages.Queued) -> None:
        """The first only confirms; later ones tell all places anew, after a move. A first one's place may or may not
        count a job that is about to run."""
        if message.job in self._unheard:
            self._unheard.remove(message.job)
            return
        self.order.remove(message.job)
        running = bool(self.order) and self.states[self.order[0]].state == RUNNING
        self.order.insert(message.place + running, message.job)
        self.states[message.job] = JobState()

    def _progress(self, message: messages.Progress) -> None:
        self.order.remove(message.job)
        self.order.insert(0, message.job)
        stage = "cancelling" if message.job in self.cancelling else message.stage
        how = {"stage": stage, "step": message.step, "steps": message.steps, "eta": message.eta}
        self.states[message.job] = JobState(state=RUNNING, **how)

    def _preview(self, message: messages.Preview) -> None:
        self.previews[message.job] = message.step, self.folders[message.job] / message.file

    def _done(self, message: messages.Done) -> None:
        self.end(message.job, JobState(state=DONE))

    def _failed(self, message: messages.Failed) -> None:
        self.end(message.job, JobState(state=FAILED, message=message.message, hint=message.hint))

    def _cancelled(self, message: messages.Cancelled) -> None:
        self.end(message.job, JobState(state=CANCELLED, message="The job was cancelled."))

    def _removed(self, message: messages.Removed) -> None:
        self.end(message.job, OUT)


_HOW: dict[type, Any] = {
    messages.Queued: JobBoard._queued,
    messages.Progress: JobBoard._progress,
    messages.Preview: JobBoard._preview,
    messages.Done: JobBoard._done,
    messages.Failed: JobBoard._failed,
    messages.Cancelled: JobBoard._cancelled,
    messages.Removed: JobBoard._removed,
}
