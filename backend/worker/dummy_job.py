"""A job without a model, for tests of the worker and of what talks to it: same files, same messages, no torch.

Where the folder has a reference clip, that is its result, frame by frame and never blended, so that whoever places the
result can be tested frame by frame. Its settings: steps, seconds for each, bytes of a result.mp4 that is no video; the
model's are ignored. The prompt may ask for trouble: 'fail', 'crash' (the process ends), 'error' (an unexpected one),
'oom' and 'abort' (the process ends for want of memory), 'print', 'hang' (deaf to cancelling for a minute).
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

from ..errors import JobError
from ..job.eta import ExpectedStage
from ..job.progress import Progress
from ..job_folder.pictures import png
from ..job_folder.request import JobRequest, RequestError, Shot, read_request
from ..job_folder.results import MOVIE
from ..job_folder.writing import write_atomically, write_json

PREVIEWS = 6  # at least, where there are so many steps
FRAME = 32  # pixels of a preview's frames, along each side
STRIP = 4 * FRAME


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
        """Writes a result.json that depends on nothing but the request, and the reference clip as the result."""
        try:
            request = read_request(folder)
        except RequestError as error:
            raise JobError(str(error), "Fix the setting, then run the job again.") from None
        steps, seconds = int(request.settings.get("steps", 5)), float(request.settings.get("seconds", 0.01))
        progress.plan([ExpectedStage("sampling", [1.0] * steps)])
        progress.stage("loading")
        self.loaded, self.device = request.model, "dummy"
        progress.stage("encoding")
        progress.stage("motion")
        progress.stage("sampling", steps)
        digest = _sampled(request, steps, seconds, progress)
        result = {"request": asdict(request), "digest": digest, "device": self.device, "memory_bytes": None}
        if size := int(request.settings.get("bytes", 0)):
            progress.stage("writing")
            write_atomically(folder / MOVIE, (bytes.fromhex(digest) * (size // 32 + 1))[:size])
        elif (folder / "reference").is_dir():
            result |= _reference_again(folder, request.shot, progress)
        write_json(folder / "result.json", result)
        return result


def _sampled(request: JobRequest, steps: int, seconds: float, progress: Progress) -> str:
    """Sleeps through the steps; -> a digest of the request and of every step."""
    state = hashlib.sha256(json.dumps(asdict(request), sort_keys=True).encode())
    for step in range(steps):
        time.sleep(seconds)
        if step == steps // 2:
            _TROUBLES.get(request.prompt, lambda: None)()
        state.update(bytes([step % 256]))
        progress.step()
        if (step + 1) % max(1, steps // PREVIEWS) == 0:
            progress.preview(_strip(request.seed, (step + 1) / steps))
    return state.hexdigest()


def _strip(seed: int, share: float) -> bytes:
    """A light square that crosses frame by frame, the clearer the more of the steps are made; as PNG."""
    noise = random.Random(seed).randbytes(STRIP * FRAME)
    rows = bytearray()
    for y in range(FRAME):
        for x in range(STRIP):
            frame, column = divmod(x, FRAME)
            inside = 10 <= y < 22 and 6 * frame <= column < 6 * frame + 12
            clear = (230, 200, 90) if inside else (70, 90, 60)
            rows += bytes(int(share * c + (1 - share) * noise[y * STRIP + x]) for c in clear)
    return png(bytes(rows), STRIP, FRAME)


def _reference_again(folder: Path, shot: Shot, progress: Progress) -> dict[str, Any]:
    """result/ and result.mp4, in which each of the shot's frames is the nearest one of the reference; -> what
    result.json says of them."""
    from ..clips import read_clip, write_frames, write_video  # not before: numpy and ffmpeg take their time

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
