"""What tests do differently from one system to the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from install.files import is_link

WINDOWS = os.name == "nt"


def set_home(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """The user's home folder, by whichever variable this system names it."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))


def kill_now(pid: int) -> None:
    """Ends a process without asking it. On Windows that of a virtual environment is a launcher, which takes the Python
    that it started along."""
    os.kill(pid, signal.SIGTERM if WINDOWS else signal.SIGKILL)


def kill_group(pid: int) -> None:
    """Ends a process that leads a group, and all that it started, without asking them."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(pid)], capture_output=True)
    else:
        os.killpg(pid, signal.SIGKILL)


def link(path: Path, target: Path) -> Path:
    """A symbolic link. The test is skipped where this user cannot make one: Windows asks for a privilege, and Wine says
    that it made one without doing so."""
    try:
        path.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("this system lets users make no links")
    if not is_link(path):
        pytest.skip("Wine makes no links")
    return path


def link_folder(path: Path, target: Path) -> Path:
    """A link to a folder, of the kind that people without rights make: on Windows a junction. The test is skipped in
    Wine, which makes none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if sys.platform != "win32":
        path.symlink_to(target, target_is_directory=True)
        return path
    import _winapi

    try:
        _winapi.CreateJunction(str(target), str(path))
    except OSError as error:
        if not is_wine():
            raise
        pytest.skip(f"Wine makes no junctions ({error.strerror})")
    return path


def is_wine() -> bool:
    if sys.platform != "win32":
        return False
    import ctypes

    return hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")
