"""SHA-256 hashes that identify files and clips by their content, whatever they are called."""

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
    """Returns the hash of each file, by the given names. Raises OSError if a file cannot be read.

    Hashes are remembered: a file is read again only if its size or modification time has changed.
    """
    known = _remembered()
    hashes, new = {}, False
    for name, path in files.items():
        state = check_regular(path)
        stamp = [state.st_size, state.st_mtime_ns]
        seen = known.pop(str(path), None)
        if not _fits(seen, stamp):
            with open_regular(path) as file:
                seen, new = [*stamp, hashlib.file_digest(file, "sha256").hexdigest()], True
        known[str(path)] = seen  # now the newest; the oldest are dropped
        hashes[name] = seen[2]
    if new:
        _remember(known)
    return hashes


def of_frames(frames: np.ndarray) -> str:
    """Returns the hash of the shape and the pixels of a clip."""
    return hashlib.sha256(repr(frames.shape).encode() + np.ascontiguousarray(frames).tobytes()).hexdigest()


def of_text(*parts: object) -> str:
    """Returns the hash of the text of all parts."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def _fits(seen: object, stamp: list[int]) -> bool:
    return isinstance(seen, list) and len(seen) == 3 and seen[:2] == stamp and isinstance(seen[2], str)


def _remembered() -> dict[str, list]:
    """Returns [size, modification time, hash] by path, empty if there is no readable file."""
    try:
        content = read_json(_hashes_file(), MAX_BYTES)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _remember(known: dict[str, list]) -> None:
    with suppress(OSError):  # if it cannot be written, files are hashed again; nothing else is lost
        _hashes_file().parent.mkdir(parents=True, exist_ok=True)
        write_json(_hashes_file(), dict(list(known.items())[-MAX_REMEMBERED:]))


def _hashes_file() -> Path:
    return data_folder() / "hashes.json"
