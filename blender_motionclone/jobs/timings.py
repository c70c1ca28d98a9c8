"""How long takes took, read from the result.json of finished ones, to estimate the next. Without bpy."""

from __future__ import annotations

import os
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from ...backend.job_folder.clip_length import context_count
from ...backend.job_folder.reading import read_json
from ...backend.job_folder.writing import is_link
from ..picture_files import PngError, png_size

NEWEST = 60  # job folders that are read
MAX_BYTES, MAX_SECONDS = 1_000_000, 1e7  # bytes of result.json, and the longest plausible take
RECENT = 5  # takes of a kind that count
SECONDS, MINUTES, HOURS = "about {count} s", "about {count} min", "about {count} h"


@dataclass(frozen=True)
class Kind:
    """What the time depends on. settings: the chosen ones, such as the quality; size: (height, width)."""

    model: str
    settings: frozenset[tuple[str, str]]
    frames: int
    size: tuple[int, int]


def kind_of(model: str, settings: Mapping[str, Any], frames: int, size: tuple[int, int]) -> Kind:
    """Motion strength does not change the time, unless it is 0."""
    chosen = {str(key): str(value) for key, value in settings.items() if key != "motion_strength"}
    if float(settings.get("motion_strength", 1)) == 0:
        chosen["motion_strength"] = "0"
    if chosen.get("family") == "default":
        del chosen["family"]
    return Kind(model, frozenset(chosen.items()), frames, size)


class Timings:
    """Reads one folder at a time, so that nobody has to wait for many."""

    def __init__(self) -> None:
        self._pending: deque[Path] = deque()
        self._known: set[Path] = set()
        self._seconds: defaultdict[Kind, deque[float]] = defaultdict(lambda: deque(maxlen=RECENT))
        self._for_context: defaultdict[Kind, deque[float]] = defaultdict(lambda: deque(maxlen=RECENT))

    def find(self, jobs: Path) -> None:
        """Finds the newest jobs of the folder; `learn_one` reads them, the oldest of them first."""
        try:
            with os.scandir(jobs) as entries:
                names = sorted(entry.name for entry in entries)
        except OSError:
            return
        folders = [jobs / name for name in names[-NEWEST:]]
        self._pending = deque(folder for folder in folders if folder not in self._known)

    def learn_one(self) -> bool:
        """Reads one of the jobs. Returns False when none is left."""
        if self._pending:
            self.learn(self._pending.popleft())
        return bool(self._pending)

    def learn(self, folder: Path) -> None:
        """Reads the times of a finished job. Skips others, and what cannot be read."""
        if folder in self._known or any(map(is_link, (folder / "result.json", folder / "reference"))):
            return
        try:
            result = read_json(folder / "result.json", MAX_BYTES)
            request, seconds = result["request"], sum(float(value) for value in result["seconds"].values())
            if not 0 <= seconds <= MAX_SECONDS:
                return
            size = png_size(folder / "reference" / "0000.png")
            frames = int(result["settings"]["frames"])
            kind = kind_of(request["model"], request["settings"], frames, size)
            contexts = _contexts(frames, result["settings"])
        except (OSError, PngError, ValueError, OverflowError, KeyError, TypeError, AttributeError):
            return
        self._known.add(folder)
        self._seconds[kind].append(seconds)
        self._for_context[_any_length(kind)].append(seconds / contexts)

    def seconds(self, kind: Kind, contexts: int = 1) -> float | None:
        """How long a take of this kind took; None if unknown.

        contexts: in how many parts the clip is generated. If its length is new, each part takes as long as that of a
        clip of another length.
        """
        if kind in self._seconds:
            return median(self._seconds[kind])
        for_context = self._for_context.get(_any_length(kind)) if contexts > 1 else None
        return median(for_context) * contexts if for_context else None

    @property
    def any(self) -> bool:
        """Whether any take is known to have finished."""
        return bool(self._known)


def _any_length(kind: Kind) -> Kind:
    return replace(kind, frames=0)


def _contexts(frames: int, settings: Mapping[str, Any]) -> int:
    """In how many contexts a take was generated, by the settings in its result. ValueError if they make no sense."""
    length, overlap = (settings.get(name) for name in ("context_length", "context_overlap"))
    if length is None or overlap is None:  # an older take, or a model family without contexts
        return 1
    return context_count(frames, int(length), int(overlap))


def duration(seconds: float, translate: Callable[[str], str] = str) -> str:
    """ "about 40 s", "about 3 min": rounded as far as it is uncertain. translate: translates a text."""
    if seconds < 10:
        return translate(SECONDS).format(count=max(1, round(seconds)))
    if seconds < 90:
        return translate(SECONDS).format(count=round(seconds / 5) * 5)
    if seconds < 90 * 60:
        return translate(MINUTES).format(count=round(seconds / 60))
    return translate(HOURS).format(count=f"{seconds / 3600:.1f}")
