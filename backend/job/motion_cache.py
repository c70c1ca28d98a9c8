"""A cache of motion representations on disk. The key is a hash of what they were read from, never a name."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from ..job_folder.folders import data_folder
from ..job_folder.storage import keep_newest
from ..job_folder.writing import remove_parts, write_atomically
from ..motion.representation import MotionRepresentation

MAX_FILES, MAX_BYTES = 2000, 10**9  # a file for each context of a long shot
SECONDS_OF_WRITING = 3600.0  # an older partial file is of a process that was killed


def cached_motion(key: str, device: torch.device, extract: Callable[[], MotionRepresentation]) -> MotionRepresentation:
    """Returns the representation cached under `key`, on `device`. If there is none, runs `extract` and stores it.

    A damaged file is replaced.
    """
    path = data_folder() / "motion" / f"{key}.safetensors"
    if path.is_file():
        try:
            stored = MotionRepresentation.from_tensors(load_file(path, device=str(device)))
            os.utime(path)  # in use: the oldest are removed first
            return stored
        except (OSError, SafetensorError):
            pass
    motion = extract()
    with suppress(OSError):  # without a cache the take only needs more time
        _store(motion, path)
    return motion


def _store(motion: MotionRepresentation, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_parts(path.parent, seconds=SECONDS_OF_WRITING)
    write_atomically(path, save({name: tensor.contiguous().cpu() for name, tensor in motion.tensors().items()}))
    keep_newest(path.parent.glob("*.safetensors"), MAX_FILES, MAX_BYTES)
