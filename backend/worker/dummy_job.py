"""A job without a model, for testing the worker and its hosts: same files, same messages, no torch.

If the folder has a reference clip, the result is that clip, frame by frame without blending, so that placing a result
can be tested exactly. Its settings are `steps`, `seconds` per step and `bytes` of a result.mp4 that is not a video; the
model's settings are ignored. The prompt can request a failure: 'fail', 'error' (unexpected), 'crash' (the process
exits), 'oom' and 'abort' (the process runs out of memory), 'print', and 'hang' (ignores cancelling for a minute).
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..job.eta import ExpectedStage
from ..job.progress import Progress
from ..job_folder.pictures import png
from ..job_folder.problem import Problem
from ..job_folder.request import JobRequest, RequestError, Shot, read_request
from ..job_folder.results import MOVIE
from ..job_folder.writing import write_atomically, write_json

PREVIEWS = 6  # at least, if there are that many steps
FRAME = 32  # pixels of a preview's frames, along each side
STRIP = 4 * FRAME


class DummyEngine:
    """Replaces engine.Engine."""

    device: str | None = None
    memory_bytes: int | None = None

    def __init__(self) -> None:
        self.loaded: str | None = None

    def unload(self) -> None:
        self.loaded = None

    def tidy(self) -> None:
        """Does nothing, because nothing is allocated."""

    def run(self, folder: Path, progress: Progress) -> dict[str, Any]:
        """Writes a result.json that depends only on the request, and the reference clip as the result."""
        try:
            request = read_request(folder)
        except RequestError as error:
            raise Problem(error.text, "Fix the setting, then run the job again.") from None
        steps, seconds = int(request.settings.get("steps", 5)), float(request.settings.get("seconds", 0.01))
        progress.plan([ExpectedStage("sampling", [1.0] * steps)])
        progress.stage("loading")
        self.loaded, self.device = request.model, "dummy"
        progress.stage("encoding")
        progress.stage("motion")
        progress.stage("sampling", steps)
        digest = _sample(request, steps, seconds, progress)
        result = {"request": asdict(request), "digest": digest, "device": self.device, "memory_bytes": None}
        if size := int(request.settings.get("bytes", 0)):
            progress.stage("writing")
            write_atomically(folder / MOVIE, (bytes.fromhex(digest) * (size // 32 + 1))[:size])
        elif (folder / "reference").is_dir():
            result |= _copy_reference(folder, request.shot, progress)
        write_json(folder / "result.json", result)
        return result


def _sample(request: JobRequest, steps: int, seconds: float, progress: Progress) -> str:
    """Sleeps through the steps. Returns a digest of the request and of every step."""
    state = hashlib.sha256(json.dumps(asdict(request), sort_keys=True).encode())
    for step in range(steps):
        time.sleep(seconds)
        if step == steps // 2:
            _FAILURES.get(request.prompt, lambda: None)()
        state.update(bytes([step % 256]))
        progress.step()
        if (step + 1) % max(1, steps // PREVIEWS) == 0:
            progress.preview(_strip(request.seed, (step + 1) / steps))
    return state.hexdigest()


def _strip(seed: int, share: float) -> bytes:
    """A PNG of a light square that moves from frame to frame and emerges from noise as `share` of the steps goes from 0
    to 1."""
    noise = random.Random(seed).randbytes(STRIP * FRAME)
    rows = bytearray()
    for y in range(FRAME):
        for x in range(STRIP):
            frame, column = divmod(x, FRAME)
            inside = 10 <= y < 22 and 6 * frame <= column < 6 * frame + 12
            clear = (230, 200, 90) if inside else (70, 90, 60)
            rows += bytes(int(share * c + (1 - share) * noise[y * STRIP + x]) for c in clear)
    return png(bytes(rows), STRIP, FRAME)


def _copy_reference(folder: Path, shot: Shot, progress: Progress) -> dict[str, Any]:
    """Writes result/ and result.mp4, where each shot frame is the nearest reference frame. Returns their part of
    result.json."""
    from ..clips import read_clip, write_frames, write_video  # imported late, because numpy and ffmpeg are slow to load

    progress.stage("decoding")
    frames = read_clip(folder / "reference", check=progress.check).frames
    progress.stage("in-betweening")
    spread = (len(frames) - 1) / max(1, shot.frames - 1)
    nearest = [int(i * spread + 0.5) for i in range(shot.frames)]
    progress.stage("writing")
    write_frames(folder / "result", frames)
    movie = write_video(folder / MOVIE, frames[nearest], shot.fps, progress.note, progress.check)
    return {"video": str(movie), "frames": str(folder / "result")}


def _fail() -> None:
    raise Problem("The dummy job failed, as its prompt asked.", "Use another prompt.")


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


_FAILURES: dict[str, Callable[[], Any]] = {
    "fail": _fail,
    "error": _error,
    "crash": lambda: os._exit(3),
    "oom": _oom,
    "abort": _abort,
    "print": _print,
    "hang": lambda: time.sleep(60),
}
