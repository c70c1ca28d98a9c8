"""What a file or clip *is*, whatever it is called: SHA-256 of its content."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

WEIGHTS = "*.safetensors"


def of_folder(folder: Path) -> dict[str, str]:
    """Hashes of all weight files in a model's folder, by their path in it."""
    return {
        path.relative_to(folder).as_posix(): _of_file(path, path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob(WEIGHTS))
    }


def of_frames(frames: np.ndarray) -> str:
    """Hash of a clip's pixels and shape."""
    return hashlib.sha256(repr(frames.shape).encode() + np.ascontiguousarray(frames).tobytes()).hexdigest()


def of_text(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


@lru_cache
def _of_file(path: Path, size: int, changed: int) -> str:
    """size and changed only tell a replaced file from the one hashed before."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
