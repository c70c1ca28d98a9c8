"""Removes what the installer and the backend keep in the user's data folder. Jobs are never removed."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from .clearing import clear
from .files import is_link, is_there
from .models.managing import remove_all
from .models.store import Store
from .paths import data_folder
from .reports import Report

# What the backend writes besides jobs and models. It names these files by a hash of their source. "received" holds
# copies of other machines' jobs.
CACHES, HASHES = ("motion", "inversion", "received"), "hashes.json"
_CACHED = re.compile(r"\.?[0-9a-f]{16,}(\..*)?")


def remove_data(report: Report, models: bool) -> list[Path]:
    """Removes the caches, and the models if `models` is set. Returns the paths that are kept."""
    data = data_folder()
    for name in (*CACHES, HASHES):
        if _remove_cache(data / name):
            report.note(f"removed {data / name}")
    if models:
        remove_all(Store(), report)
    with suppress(OSError):  # missing, not empty, or a link
        data.rmdir()
    return [path for name in ("jobs", "models", *CACHES) if is_there(path := data / name)]


def _remove_cache(path: Path) -> bool:
    """Removes a link, or the files in a folder that have names which the backend uses. Returns whether there was a
    cache."""
    if not is_there(path):
        return False
    if is_link(path) or path.is_file():
        clear(path)
        return True
    found = [cached for cached in path.iterdir() if _CACHED.fullmatch(cached.name)]
    for cached in found:
        clear(cached)
    for folder, _, _ in os.walk(path, topdown=False):
        with suppress(OSError):  # other files in it stay
            os.rmdir(folder)
    return bool(found) or not is_there(path)
