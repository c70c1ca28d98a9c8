"""Finds a job's result clip in its folder. Standard library only."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

MOVIE = "result.mp4"
_MOVIES = re.compile(r"result(?:-[0-9]{1,4})?\.mp4")


def movie_of(folder: Path) -> Path:
    """The newest of result.mp4, result-2.mp4 and so on; a job writes the latter while another program has result.mp4
    open.

    The file need not exist.
    """
    found: list[tuple[int, str]] = []
    with suppress(OSError):
        for path in folder.iterdir():
            if _MOVIES.fullmatch(path.name):
                with suppress(OSError):
                    found.append((path.stat().st_mtime_ns, path.name))
    return folder / (max(found)[1] if found else MOVIE)
