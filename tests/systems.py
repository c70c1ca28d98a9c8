"""Differences between operating systems, for tests."""

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
    """Sets the user's home folder with the variable that this system uses."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))


def kill_now(pid: int) -> None:
    """Kills a process. On Windows a virtual environment's python.exe is a launcher, which ends the Python that it
    started."""
    os.kill(pid, signal.SIGTERM if WINDOWS else signal.SIGKILL)


def kill_group(pid: int) -> None:
    """Kills a process that leads a group, and all its children."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(pid)], capture_output=True)
    else:
        os.killpg(pid, signal.SIGKILL)


def link(path: Path, target: Path) -> Path:
    """Creates a symbolic link. Skips the test if that is impossible: Windows requires a privilege, and Wine only
    pretends to succeed."""
    try:
        path.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("this system lets users make no links")
    if not is_link(path):
        pytest.skip("Wine makes no links")
    return path


def link_folder(path: Path, target: Path) -> Path:
    """Creates a link to a folder that needs no special rights: on Windows a junction. Skips the test in Wine, which
    cannot create one."""
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
