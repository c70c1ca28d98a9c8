"""What the worker's bench and its tests share: jobs in folders, and a client that remembers what it heard."""

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


class NotHeard(AssertionError):
    """The worker did not say what it had to."""


def make_job(folder: Path, prompt: str = "a red ball", seed: int = 0, **settings: Any) -> Path:
    """For the dummy engine; settings are its own."""
    folder.mkdir(parents=True)
    write_request(JobRequest(prompt=prompt, seed=seed, shot=Shot(frames=4, fps=24.0), settings=settings), folder)
    return folder


def make_demo_job(folder: Path, number: int, settings: dict[str, Any]) -> Path:
    """One of the demo world's held-out clips, cloned by the demo model."""
    from ..clips import write_frames
    from ..models.entry import find_entry
    from .cases import cases_for

    cases = cases_for(find_entry("demo"))
    case = cases[number % len(cases)]
    write_frames(folder / "reference", case.reference)
    shot = Shot(frames=len(case.reference), fps=24.0)
    write_request(JobRequest(prompt=case.prompt, seed=number, shot=shot, settings=settings), folder)
    return folder


class Talk:
    """A client and all that it heard."""

    def __init__(self, command: Sequence[str] = DUMMY, **options: Any):
        self.client, self.heard = Client(command, ROOT, **options), []

    def __enter__(self) -> Talk:
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
        """The first such message after those that were waited for before; NotHeard when none comes."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            for i, message in enumerate(self.heard):
                if isinstance(message, kind) and job in ("", getattr(message, "job", None)) and wanted(message):
                    del self.heard[: i + 1]
                    return message
            time.sleep(0.005)
            self.heard += self.client.poll()
        raise NotHeard(f"no {kind} among {self.heard}; stderr: {self.client.stderr_tail}")
