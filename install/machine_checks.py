"""The doctor's checks of the machine: its system, folders, graphics card and Python. They need only the standard
library."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .backend import Backend
from .failures import OTHER_FOLDER, InstallError
from .finding import Finding
from .machine import Machine, this_machine
from .models.store import ELSEWHERE
from .paths import data_folder
from .pythons import OTHER_THAN_STORE, STORE, SUPPORTED, backend_base, probe, running_from_store
from .sentences import Sentence
from .state import read_state
from .torch_build import choose_build

MIN_GB, COMFORTABLE_GB = 1.0, 5.0
# Windows rejects paths of more than 259 characters unless long paths are enabled. The longest path inside an
# environment has 185 characters: a license file that comes with torch.
LONGEST_PATH, LONGEST_WITHIN = 259, 190
OTHER_PYTHON = "Correct Backend Python in the preferences, or clear it to use the installed one."


def system(backend: Backend) -> Iterator[Finding]:
    """Reports the system and, on Windows, long paths and the Microsoft Store's Python."""
    yield Finding(
        "system",
        "ok",
        Sentence("System: {platform}, {cpu_count} processors.", platform=platform.platform(), cpu_count=os.cpu_count()),
    )
    if sys.platform == "win32":
        yield from long_path(backend.folder, long_paths_allowed())
        if running_from_store():
            yield Finding("store-python", "problem", STORE, OTHER_THAN_STORE)


def long_path(folder: Path, allowed: bool) -> Iterator[Finding]:
    """Warns when the environment's paths would be too long for Windows."""
    if not allowed and len(str(folder)) + 1 + LONGEST_WITHIN > LONGEST_PATH:
        yield Finding(
            "long-path",
            "warning",
            Sentence("{folder} is a long path, and Windows may refuse the files in it.", folder=folder),
            f"Allow long paths in Windows. {OTHER_FOLDER}",
        )


def long_paths_allowed() -> bool:
    """Whether long paths are enabled in Windows."""
    with suppress(ImportError, OSError):
        import winreg

        path = r"SYSTEM\CurrentControlSet\Control\FileSystem"
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:  # pyright: ignore[reportAttributeAccessIssue]
            value = winreg.QueryValueEx(key, "LongPathsEnabled")[0]  # pyright: ignore[reportAttributeAccessIssue]
            return bool(value)
    return False


def device_build(backend: Backend) -> Iterator[Finding]:
    """Whether the installed torch build is the best one for this machine."""
    state = read_state(backend.folder)
    machine = this_machine()
    try:
        best = choose_build(machine)
    except InstallError as error:
        yield Finding("no-build", "problem", error.message, error.hint)
        return
    if best.note:
        yield Finding("driver", "warning", best.note)
    elif machine.nvidia and machine.nvidia.driver:
        yield Finding(
            "driver", "ok", Sentence("NVIDIA driver {version}.", version=".".join(map(str, machine.nvidia.driver)))
        )
    if state and state.build and state.build != best.name:
        text = Sentence(
            "The installed build of torch is {build}; this machine can use {best}.", build=state.build, best=best.name
        )
        yield Finding("other-build", "warning", text, fix=("backend",))
    yield from rocm_rights(machine)


def rocm_rights(machine: Machine, device: Path = Path("/dev/kfd")) -> Iterator[Finding]:
    """Whether the user may access an AMD GPU."""
    if machine.rocm and not os.access(device, os.R_OK | os.W_OK):
        text = Sentence("The AMD GPU cannot be used: this user has no access to {device}.", device=device)
        yield Finding("rocm-rights", "problem", text, "Run `sudo usermod -aG render,video $USER` and log in again.")


def base_python(backend: Backend) -> Iterator[Finding]:
    """Whether there is a Python to create the environment from, unless the environment exists."""
    state = read_state(backend.folder)
    if state and state.python:
        return
    try:
        base = backend_base()
        yield Finding(
            "base-python",
            "ok",
            Sentence(
                "Python {version} at {executable} can create the environment.",
                version=base.version,
                executable=base.executable,
            ),
        )
    except InstallError as error:
        yield Finding("base-python", "problem", error.message, error.hint)


def folders(backend: Backend) -> Iterator[Finding]:
    """Write access and free space for jobs, caches and the environment."""
    for name, folder, elsewhere in (("environment", backend.folder, OTHER_FOLDER), ("data", data_folder(), ELSEWHERE)):
        parent = _nearest(folder)
        try:
            with tempfile.TemporaryFile(dir=parent):
                pass
        except OSError as error:
            yield Finding(
                f"{name}-rights",
                "problem",
                Sentence("Nothing can be written in {parent} ({reason}).", parent=parent, reason=error.strerror),
                Sentence("Make the folder writable. {elsewhere}", elsewhere=Sentence(elsewhere)),
            )
            continue
        free = shutil.disk_usage(parent).free / 1e9
        level = "problem" if free < MIN_GB else "warning" if free < COMFORTABLE_GB else "ok"
        hint = "" if level == "ok" else "Free some space: jobs need space for their clips, installations several GB."
        yield Finding(
            f"{name}-space",
            level,
            Sentence("{free} GB are free for {folder}.", free=f"{free:.1f}", folder=folder),
            hint,
        )


def _nearest(folder: Path) -> Path:
    """The folder itself or its nearest existing parent."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def chosen_python(python: Path) -> Iterator[Finding]:
    """Checks the Python that the user chose to run the backend instead of the installed one."""
    if not python.is_file():
        yield Finding(
            "chosen-python",
            "problem",
            Sentence("The chosen Backend Python {python} is not a file.", python=python),
            OTHER_PYTHON,
        )
        return
    found = probe([str(python)])
    if found is None:
        yield Finding(
            "chosen-python",
            "problem",
            Sentence("The chosen Backend Python {python} does not start.", python=python),
            OTHER_PYTHON,
        )
    elif found.version not in SUPPORTED:
        text = Sentence(
            "The chosen Backend Python {python} is Python {version}, which the backend does not support.",
            python=python,
            version=found.version,
        )
        yield Finding("chosen-python", "problem", text, OTHER_PYTHON)
    else:
        yield Finding(
            "chosen-python",
            "ok",
            Sentence("Backend Python, as chosen: {python}, Python {version}.", python=python, version=found.version),
        )
