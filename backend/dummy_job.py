"""A job without a model, for tests of the worker and of what talks to it: same files, same messages, no torch.

Its settings: steps, seconds for each, bytes of its result. The prompt may ask for trouble: 'fail', 'crash' (the process
ends), 'error' (what nobody foresaw), 'oom' and 'abort' (the process ends for want of memory), 'print', 'hang' (deaf to
cancelling for a minute).
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .errors import JobError
from .progress import Progress
from .wire.request import RequestError, read_request, write_atomically


class DummyEngine:
    """In the place of engine.Engine."""

    device: str | None = None
    memory_bytes: int | None = None

    def __init__(self) -> None:
        self.loaded: str | None = None

    def unload(self) -> None:
        self.loaded = None

    def tidy(self) -> None:
        """There is nothing to give back."""

    def run(self, folder: Path, progress: Progress) -> dict[str, Any]:
        """Writes a result.json that depends on nothing but the request."""
        try:
            request = read_request(folder)
        except RequestError as error:
            raise JobError(str(error), "Mend it and run the job again.") from None
        progress.stage("loading")
        self.loaded, self.device = request.model, "dummy"
        steps, seconds = int(request.settings.get("steps", 5)), float(request.settings.get("seconds", 0.01))
        progress.stage("sampling", steps)
        state = hashlib.sha256(json.dumps(asdict(request), sort_keys=True).encode())
        for step in range(steps):
            time.sleep(seconds)
            if step == steps // 2:
                _TROUBLES.get(request.prompt, lambda: None)()
            state.update(bytes([step % 256]))
            progress.step()
        progress.stage("writing")
        if size := int(request.settings.get("bytes", 0)):
            (folder / "result.mp4").write_bytes((state.digest() * (size // 32 + 1))[:size])
        result = {"request": asdict(request), "digest": state.hexdigest(), "device": self.device, "memory_bytes": None}
        write_atomically(folder / "result.json", json.dumps(result, indent=2, ensure_ascii=False) + "\n")
        return result


def _fail() -> None:
    raise JobError("The dummy job failed, as its prompt asked.", "Ask for something else.")


def _error() -> None:
    raise ZeroDivisionError("as the prompt asked")


def _oom() -> None:
    print("RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.", file=sys.stderr)
    os._exit(1)


def _abort() -> None:
    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
    os.abort()


def _print() -> None:
    print("printed to stdout")
    os.write(1, b"written to descriptor 1\n")
    ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None).puts(b"put by a native library")
    print("printed to stderr", file=sys.stderr)


_TROUBLES: dict[str, Callable[[], Any]] = {
    "fail": _fail,
    "error": _error,
    "crash": lambda: os._exit(3),
    "oom": _oom,
    "abort": _abort,
    "print": _print,
    "hang": lambda: time.sleep(60),
}
