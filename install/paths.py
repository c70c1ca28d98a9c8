"""Paths of the source tree, the backend's environment and the user's data."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = "MOTIONCLONE_DATA"


def environment_folder(chosen: str | Path | None = None) -> Path:
    """The folder of the backend's environment: the chosen one, `.venv` in a checkout, or `venv` in the user's data
    folder.

    An installed extension has no tests. Upgrades delete its folder, so nothing is kept there.
    """
    if chosen:
        return Path(chosen).expanduser().absolute()
    return ROOT / ".venv" if (ROOT / "tests").is_dir() else data_folder() / "venv"


def work_folder(environment: Path) -> Path:
    """The folder next to an environment for the lock, the log and downloads."""
    return environment.with_name(f"{environment.name}-work")


def interpreter(environment: Path, windows: bool = os.name == "nt") -> Path:
    """The Python program of a virtual environment."""
    return environment / "Scripts" / "python.exe" if windows else environment / "bin" / "python"


def data_folder() -> Path:
    """Same as in backend/job_folder/folders.py, which cannot be imported here. A test compares them."""
    chosen = os.environ.get(DATA)
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "MotionClone"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "MotionClone"
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "motionclone"
