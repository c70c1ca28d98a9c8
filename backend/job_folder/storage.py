"""Disk usage of MotionClone: how much it is, its limits, and what can be removed. Without torch.

Nothing that a user made is removed: clips, jobs and models stay. Caches are recreated when needed. Anything used within
the last hour stays, because a running job may need it.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .folders import data_folder
from .lock import is_locked
from .writing import PART, is_link, remove

SECONDS_IN_USE = 3600.0
HASHED = re.compile(r"[0-9a-f]{64}")  # cached files are named by a hash; other files are not ours


@dataclass(frozen=True)
class Stored:
    """One kind of data. bytes: its total size; removable: the bytes that `clean` would remove now."""

    name: str
    title: str
    path: str
    bytes: int
    removable: int


def stored(jobs: Path) -> list[Stored]:
    """Lists all kinds of data. `jobs` is the folder with the job folders."""
    kinds = [(kind, title, _folders(jobs)[kind]) for kind, title in TITLES.items()]
    return [
        Stored(kind, title, str(path), size_of(path), sum(map(size_of, _removable(kind, path))))
        for kind, title, path in kinds
    ]


def clean(jobs: Path) -> int:
    """Removes caches and incomplete files. Returns the number of bytes freed."""
    freed = 0
    for kind, path in _folders(jobs).items():
        for old in list(_removable(kind, path)):
            before = size_of(old)
            with suppress(OSError):
                remove(old)
            freed += before - size_of(old)
    return freed


def size_of(path: Path) -> int:
    """The bytes of a file or of all files in a folder. Links are followed only for `path` itself, because data may have
    been moved to another disk."""
    if not path.is_dir():
        return _bytes_of(path)
    return sum(_bytes_of(Path(folder, name)) for folder, _, names in os.walk(path) for name in names)


def keep_newest(paths: Iterable[Path], most: int, most_bytes: int) -> None:
    """Removes the least recently used of these files and folders until at most `most` with at most `most_bytes` are
    left.

    The newest one stays, and so does everything in use.
    """
    total = 0
    for number, path in enumerate(sorted(paths, key=_used_at, reverse=True)):
        total += size_of(path)
        if number and (number >= most or total > most_bytes) and not in_use(path):
            with suppress(OSError):
                remove(path)


def in_use(path: Path) -> bool:
    """Whether a process holds it or has used it within the last hour."""
    return time.time() - _used_at(path) < SECONDS_IN_USE or (path.is_dir() and is_locked(path))


TITLES = {
    "jobs": "Jobs and their clips",
    "models": "Models",
    "inversion": "Cache of inverted clips",
    "motion": "Cache of read motions",
    "received": "Jobs of other machines",
}


def _folders(jobs: Path) -> dict[str, Path]:
    return {kind: jobs if kind == "jobs" else data_folder() / kind for kind in TITLES}


def _removable(kind: str, path: Path) -> Iterator[Path]:
    """Yields what can be removed now."""
    found: dict[str, Callable[[Path], Iterable[Path]]] = {"jobs": _parts_in_jobs, "models": lambda _: ()}
    yield from found.get(kind, _of_cache)(path)


def _of_cache(folder: Path) -> Iterator[Path]:
    for path in _entries(folder):
        if HASHED.match(path.name) and not is_link(path) and not in_use(path):
            yield path


def _parts_in_jobs(folder: Path) -> Iterator[Path]:
    """Yields incomplete files in job folders, left by a process that was killed."""
    for job in _entries(folder):
        if is_link(job) or not (job / "job.json").is_file() or is_locked(job):
            continue
        for part in (*_entries(job), *_entries(job / "result")):
            if PART.fullmatch(part.name) and not is_link(part) and not in_use(part):
                yield part


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _used_at(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def _bytes_of(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
