"""Where things are: the tree, the backend's environment, and the user's data."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = "MOTIONCLONE_DATA"


def environment_folder(chosen: str | Path | None = None) -> Path:
    """The backend's environment: the chosen folder, else `.venv` in a checkout, else `venv` among the user's data.

    An installed extension has no tests. Its own folder is wiped by upgrades, so nothing is kept there.
    """
    if chosen:
        return Path(chosen).expanduser().absolute()
    return ROOT / ".venv" if (ROOT / "tests").is_dir() else data_folder() / "venv"


def work_folder(environment: Path) -> Path:
    """Beside an environment: the lock, the log, and while it is being made the downloads."""
    return environment.with_name(f"{environment.name}-work")


def interpreter(environment: Path, windows: bool = os.name == "nt") -> Path:
    """Where a virtual environment keeps its Python."""
    return environment / "Scripts" / "python.exe" if windows else environment / "bin" / "python"


def data_folder() -> Path:
    """As backend/job_folder/folders.py has it, which cannot be imported here; a test holds the two together."""
    chosen = os.environ.get(DATA)
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "MotionClone"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "MotionClone"
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "motionclone"
