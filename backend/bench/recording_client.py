"""Shared by the worker's benchmark and its tests: jobs in folders, and a client that records its messages."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..job_folder.request import JobRequest, Shot, write_request
from ..wire.client import Client

ROOT = Path(__file__).parents[2]
SERVE = [sys.executable, "-m", "backend", "serve"]
DUMMY = [*SERVE, "--dummy"]
PATIENCE = 60.0  # seconds: the machine may be busy


class MissingMessage(AssertionError):
    """An expected message did not arrive."""


def make_job(folder: Path, prompt: str = "a red ball", seed: int = 0, **settings: Any) -> Path:
    """Creates a job for the dummy engine. `settings` are that engine's own."""
    folder.mkdir(parents=True)
    write_request(JobRequest(prompt=prompt, seed=seed, shot=Shot(frames=4, fps=24.0), settings=settings), folder)
    return folder


def make_demo_job(folder: Path, number: int, settings: dict[str, Any]) -> Path:
    """Creates a job that clones one of the demo world's test clips with the demo model."""
    from ..clips import write_frames
    from ..models.entry import find_entry
    from .cases import cases_for

    cases = cases_for(find_entry("demo"))
    case = cases[number % len(cases)]
    write_frames(folder / "reference", case.reference)
    shot = Shot(frames=len(case.reference), fps=24.0)
    write_request(JobRequest(prompt=case.prompt, seed=number, shot=shot, settings=settings), folder)
    return folder


class RecordingClient:
    """A client that records all messages it receives."""

    def __init__(self, command: Sequence[str] = DUMMY, **options: Any):
        self.client, self.received = Client(command, ROOT, **options), []

    def __enter__(self) -> RecordingClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def until(
        self,
        kind: type | tuple[type, ...],
        wanted: Callable[[Any], bool] = lambda _: True,
        job: str = "",
        patience: float = PATIENCE,
    ) -> Any:
        """Returns the first matching message after the last one that was returned. Raises MissingMessage on timeout."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            for i, message in enumerate(self.received):
                if isinstance(message, kind) and job in ("", getattr(message, "job", None)) and wanted(message):
                    del self.received[: i + 1]
                    return message
            time.sleep(0.005)
            self.received += self.client.poll()
        raise MissingMessage(f"no {kind} among {self.received}; stderr: {self.client.stderr_tail}")
