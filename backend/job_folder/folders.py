"""The user's folders for jobs, caches and models. They are never in the extension's folder, which upgrades delete."""

from __future__ import annotations

import os
import secrets
import sys
import time
from pathlib import Path

DATA = "MOTIONCLONE_DATA"


def new_job_name() -> str:
    """A new name for a job folder, from the time and a random number and never from the prompt. Names sort by age."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"


def data_folder() -> Path:
    """MOTIONCLONE_DATA if set, otherwise the platform's folder for a user's application data."""
    chosen = os.environ.get(DATA)
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "MotionClone"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "MotionClone"
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "motionclone"
