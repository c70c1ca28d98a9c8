"""What the installer and the backend keep in the user's data folder, and how it is taken away. Jobs are not touched."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from .clearing import clear
from .files import is_link, is_there
from .models.managing import remove_all
from .models.store import Store
from .places import data_folder
from .reports import Report

# What the backend writes beside jobs and models, and how it names what it puts there: by the hash of what it was made
# from. Received are copies of other machines' jobs, which those have too.
CACHES, HASHES = ("motion", "inversion", "received"), "hashes.json"
_CACHED = re.compile(r"\.?[0-9a-f]{16,}(\..*)?")


def remove_data(report: Report, models: bool) -> list[Path]:
    """Removes the caches, and the models if it is said; -> what is kept."""
    data = data_folder()
    for name in (*CACHES, HASHES):
        if _remove_cache(data / name):
            report.note(f"removed {data / name}")
    if models:
        remove_all(Store(), report)
    with suppress(OSError):  # it is not there, not empty, or a link
        data.rmdir()
    return [path for name in ("jobs", "models", *CACHES) if is_there(path := data / name)]


def _remove_cache(path: Path) -> bool:
    """Whether there was one. Of a link the link; of a folder what has a name that the backend gives."""
    if not is_there(path):
        return False
    if is_link(path) or path.is_file():
        clear(path)
        return True
    found = [cached for cached in path.iterdir() if _CACHED.fullmatch(cached.name)]
    for cached in found:
        clear(cached)
    for folder, _, _ in os.walk(path, topdown=False):
        with suppress(OSError):  # somebody has put something in it, which stays
            os.rmdir(folder)
    return bool(found) or not is_there(path)
