"""Helpers for tests of the worker: dummy jobs in folders, and clients that start `python -m backend serve`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from backend.wire.client import Client
from backend.wire.request import JobRequest, Shot, write_request

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "backend", "serve", "--dummy"]
PATIENCE = 60.0  # seconds: the machine may be busy


def make_job(folder: Path, prompt: str = "a red ball", seed: int = 0, **settings: Any) -> Path:
    folder.mkdir(parents=True)
    write_request(JobRequest(prompt=prompt, seed=seed, shot=Shot(frames=4, fps=24.0), settings=settings), folder)
    return folder


class Talk:
    """A client and all that it heard."""

    def __init__(self, command: Sequence[str] = COMMAND, **options: Any):
        self.client, self.heard = Client(command, ROOT, **options), []

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def until(
        self, kind: type | tuple[type, ...], wanted: Callable[[Any], bool] = lambda _: True, job: str = ""
    ) -> Any:
        """The first such message after those that were waited for before; AssertionError when none comes."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for i, message in enumerate(self.heard):
                if isinstance(message, kind) and job in ("", getattr(message, "job", None)) and wanted(message):
                    del self.heard[: i + 1]
                    return message
            time.sleep(0.005)
            self.heard += self.client.poll()
        raise AssertionError(f"no {kind} among {self.heard}; stderr: {self.client.stderr_tail}")
