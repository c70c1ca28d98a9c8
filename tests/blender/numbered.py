"""Clips whose frames carry their numbers as pictures, and the dummy worker that gives them back as results."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from backend.job_folder.state import DONE, read_state
from backend.wire.client import Client
from tests.blender.pictures import write_png

ROOT = Path(__file__).parents[2]
BITS = 12
SECONDS = 120


def numbered(number: int, height: int = 32, width: int = 96) -> np.ndarray:
    """uint8 [H, W, 3]: the number in binary, light is 1, above its complement."""
    assert 0 <= number < 1 << BITS
    bits = np.array([number >> k & 1 for k in range(BITS)])
    cells = np.stack([bits, 1 - bits]).repeat(height // 2, 0).repeat(width // BITS, 1)
    return np.repeat((40 + 180 * cells).astype(np.uint8)[..., None], 3, 2)


def number_in(picture: np.ndarray) -> int:
    """The number that a picture shows, at any size; a mixture of two frames shows none."""
    height, width, _ = picture.shape
    cells = picture.mean(2).reshape(2, height // 2, BITS, width // BITS)
    cells = cells[:, height // 8 : -height // 8, :, width // BITS // 4 : -(width // BITS // 4)].mean((1, 3))
    assert np.abs(cells[0] - cells[1]).min() > 90, f"no number: {cells.round()}"
    return int(sum(1 << k for k in range(BITS) if cells[0, k] > cells[1, k]))


def write_job(folder: Path, numbers: Sequence[int], start: int, frames: int, fps: float, camera: str = "") -> Path:
    """A job of `frames` frames from scene frame `start` on, whose reference shows the numbers."""
    (folder / "reference").mkdir(parents=True)
    for k, number in enumerate(numbers):
        write_png(folder / "reference" / f"{k:04d}.png", numbered(number))
    request = {"prompt": "numbers", "shot": {"frames": frames, "fps": fps}, "settings": {"steps": 1}}
    (folder / "job.json").write_text(json.dumps(request), encoding="utf-8")
    place = {"scene": "Scene", "frame_start": start, "camera": camera}
    (folder / "blender.json").write_text(json.dumps(place), encoding="utf-8")
    return folder


def run_dummy(folders: Sequence[Path]) -> None:
    """A worker gives each job's reference back as its result."""
    python = os.environ["MOTIONCLONE_BACKEND_PYTHON"]
    client = Client([python, "-m", "backend", "serve", "--dummy"], ROOT)
    try:
        for folder in folders:
            client.submit(folder.name, folder)
        end = time.monotonic() + SECONDS
        while client.jobs and client.alive and time.monotonic() < end:
            list(client.poll())
            time.sleep(0.05)
        assert [read_state(folder).state for folder in folders] == [DONE] * len(folders), client.stderr_tail
    finally:
        client.close()
