"""The state of each job of this session, as far as the worker has reported. Without bpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...backend.job_folder.state import CANCELLED, DONE, FAILED, RUNNING, JobState
from ...backend.wire import messages

OUT = JobState(state=CANCELLED, message="The job was removed from the queue.", hint="Run it again, or remove the take.")


@dataclass(frozen=True, kw_only=True)
class WorkerStatus:
    """state: "stopped", "starting", "ready" or "lost"; message and hint say why it was lost. device and memory_bytes
    are known after the first job."""

    state: str = "stopped"
    device: str | None = None
    memory_bytes: int | None = None
    message: str = ""
    hint: str = ""


class JobStates:
    """`take` processes a message of the worker and returns the id of the job that it changed, if any."""

    def __init__(self) -> None:
        self.worker = WorkerStatus()
        self.order: list[str] = []  # submitted and not ended, in the worker's order: the running one first
        self.states: dict[str, JobState] = {}  # of all jobs of this session
        self.previews: dict[str, tuple[int, Path]] = {}  # the step and the picture
        self.folders: dict[str, Path] = {}
        self.cancelling = set[str]()
        self._unheard = set[str]()  # jobs whose first Queued message did not come yet; they are last in the queue

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
        """The first message of a job only confirms it. Later ones report all positions after a move. The first position
        may or may not count a job that is about to run."""
        if message.job in self._unheard:
            self._unheard.remove(message.job)
            return
        self.order.remove(message.job)
        running = bool(self.order) and self.states[self.order[0]].state == RUNNING
        self.order.insert(message.position + running, message.job)
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
        self.end(message.job, JobState(state=FAILED, message=message.message, hint=message.hint, repair=message.repair))

    def _cancelled(self, message: messages.Cancelled) -> None:
        self.end(message.job, JobState(state=CANCELLED, message="The job was cancelled."))

    def _removed(self, message: messages.Removed) -> None:
        self.end(message.job, OUT)


_HOW: dict[type, Any] = {
    messages.Queued: JobStates._queued,
    messages.Progress: JobStates._progress,
    messages.Preview: JobStates._preview,
    messages.Done: JobStates._done,
    messages.Failed: JobStates._failed,
    messages.Cancelled: JobStates._cancelled,
    messages.Removed: JobStates._removed,
}
