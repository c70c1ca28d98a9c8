"""What tests do differently from one system to the next."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

WINDOWS = os.name == "nt"


def set_home(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """The user's home folder, by whichever variable this system names it."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))


def kill_now(pid: int) -> None:
    """Ends a process without asking it. On Windows that of a virtual environment is a launcher, which takes the Python
    that it started along."""
    os.kill(pid, signal.SIGTERM if WINDOWS else signal.SIGKILL)
