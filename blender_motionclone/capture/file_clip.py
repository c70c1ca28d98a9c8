"""A video file or a folder of pictures as a reference clip, which the backend writes into the job's folder."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import bpy

from ..preferences import clip_command
from ..setup.clip_calls import write_frames
from .plan import CapturePlan

WAITING = "waiting"
PAUSE = 0.002  # seconds between looks, well below what a tick may take


def capture_file(plan: CapturePlan, folder: Path) -> Generator[str | None, None, list[str]]:
    """Writes folder/reference/0000.png ..., evenly over the clip's time, whatever its rate. Yields WAITING, or None for
    each picture that is there; returns the notes."""
    assert plan.target.clip
    to = folder / "reference"
    call = write_frames(clip_command(bpy.context), plan.target.clip.path, plan.count, plan.size, to)
    shown = 0
    try:
        while (notes := call.answer()) is None:
            time.sleep(PAUSE)
            fresh = _written(to) > shown
            shown += fresh
            yield None if fresh else WAITING
    finally:
        call.drop()
    for _ in range(shown, plan.count):
        yield None
    return notes


def _written(folder: Path) -> int:
    with suppress(FileNotFoundError):
        return len(list(folder.glob("*.png")))
    return 0
