"""What MotionClone keeps on the disk: how much that is, its bounds, and what can go. Without torch.

Nothing that a user made goes: clips, jobs and models stay. Caches are made again when they are needed. What was used
within the last hour stays, because a job may be at it.
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
HASHED = re.compile(r"[0-9a-f]{64}")  # caches name their files by what they were made of; nothing else there is ours


@dataclass(frozen=True)
class Stored:
    """One kind of things. bytes: all of it; removable: bytes of that which `clean` would remove now."""

    name: str
    title: str
    path: str
    bytes: int
    removable: int


def stored(jobs: Path) -> list[Stored]:
    """All kinds. jobs: the folder with the job folders."""
    kinds = [(kind, title, _places(jobs)[kind]) for kind, title in TITLES.items()]
    return [
        Stored(kind, title, str(path), size_of(path), sum(map(size_of, _removable(kind, path))))
        for kind, title, path in kinds
    ]


def clean(jobs: Path) -> int:
    """Removes what can be made again and what was left half written; -> the bytes that were freed."""
    freed = 0
    for kind, path in _places(jobs).items():
        for old in list(_removable(kind, path)):
            before = size_of(old)
            with suppress(OSError):
                remove(old)
            freed += before - size_of(old)
    return freed


def size_of(path: Path) -> int:
    """Bytes of a file or of all files in a folder. A link is followed only if it is `path` itself: data may have been
    moved to another disk."""
    if not path.is_dir():
        return _bytes_of(path)
    return sum(_bytes_of(Path(folder, name)) for folder, _, names in os.walk(path) for name in names)


def keep_newest(paths: Iterable[Path], most: int, most_bytes: int) -> None:
    """Removes the longest unused of these files and folders, until at most so many are left, of at most so many bytes.
    The newest stays, and so does what is in use."""
    total = 0
    for number, path in enumerate(sorted(paths, key=_used_at, reverse=True)):
        total += size_of(path)
        if number and (number >= most or total > most_bytes) and not in_use(path):
            with suppress(OSError):
                remove(path)


def in_use(path: Path) -> bool:
    """Whether someone holds it, or has used it within the last hour."""
    return time.time() - _used_at(path) < SECONDS_IN_USE or (path.is_dir() and is_locked(path))


TITLES = {
    "jobs": "Jobs and their clips",
    "models": "Models",
    "inversion": "Cache of inverted clips",
    "motion": "Cache of read motions",
    "received": "Jobs of other machines",
}


def _places(jobs: Path) -> dict[str, Path]:
    return {kind: jobs if kind == "jobs" else data_folder() / kind for kind in TITLES}


def _removable(kind: str, path: Path) -> Iterator[Path]:
    """What can go now."""
    found: dict[str, Callable[[Path], Iterable[Path]]] = {"jobs": _left_in_jobs, "models": lambda _: ()}
    yield from found.get(kind, _of_cache)(path)


def _of_cache(folder: Path) -> Iterator[Path]:
    for path in _entries(folder):
        if HASHED.match(path.name) and not is_link(path) and not in_use(path):
            yield path


def _left_in_jobs(folder: Path) -> Iterator[Path]:
    """Files that a writer which was killed has left half written."""
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
