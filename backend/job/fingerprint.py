"""What a file or clip *is*, whatever it is called: SHA-256 of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..job_folder.folders import data_folder
from ..job_folder.reading import check_regular, open_regular, read_json
from ..job_folder.writing import write_json

MAX_REMEMBERED, MAX_BYTES = 1000, 10_000_000


def of_files(files: Mapping[str, Path]) -> dict[str, str]:
    """Hashes of files by the names given. A file hashed before is not read again, unless its size or time changed."""
    known = _remembered()
    hashes, new = {}, False
    for name, path in files.items():
        state = check_regular(path)
        stamp = [state.st_size, state.st_mtime_ns]
        seen = known.pop(str(path), None)
        if not _fits(seen, stamp):
            with open_regular(path) as file:
                seen, new = [*stamp, hashlib.file_digest(file, "sha256").hexdigest()], True
        known[str(path)] = seen  # now the latest: the oldest are forgotten
        hashes[name] = seen[2]
    if new:
        _remember(known)
    return hashes


def of_frames(frames: np.ndarray) -> str:
    """Hash of a clip's pixels and shape."""
    return hashlib.sha256(repr(frames.shape).encode() + np.ascontiguousarray(frames).tobytes()).hexdigest()


def of_text(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def _fits(seen: object, stamp: list[int]) -> bool:
    return isinstance(seen, list) and len(seen) == 3 and seen[:2] == stamp and isinstance(seen[2], str)


def _remembered() -> dict[str, list]:
    """Path to [size, time of change, hash]; empty when the file is absent or damaged."""
    try:
        content = read_json(_memory(), MAX_BYTES)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _remember(known: dict[str, list]) -> None:
    with suppress(OSError):  # without the memory, hashing takes its time again; nothing else is lost
        _memory().parent.mkdir(parents=True, exist_ok=True)
        write_json(_memory(), dict(list(known.items())[-MAX_REMEMBERED:]))


def _memory() -> Path:
    return data_folder() / "hashes.json"
