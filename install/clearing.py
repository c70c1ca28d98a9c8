"""Removes what the installer created and nothing else: of a link only the link, of a folder only our files."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .failures import CLOSE, InstallError
from .files import is_link, is_there
from .state import State, names_state, write_state

SECONDS_TO_CLEAR = 30.0
# Everything that venv, uv and pip create at the top of an environment.
POSIX = ("bin", "lib", "lib64", "include", "share", "etc", "pyvenv.cfg", ".gitignore", ".lock", "CACHEDIR.TAG")
WINDOWS = ("Scripts", "Lib", "Include", "share", "etc", "pyvenv.cfg", ".gitignore", ".lock", "CACHEDIR.TAG")


def clear(path: Path) -> None:
    """Removes a file, a folder with its content, or a link itself. Retries for some seconds, because a killed run's
    children may still be writing there. Raises InstallError."""

    def remove() -> None:
        if is_link(path) or not path.is_dir():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path)  # which does not follow links inside either

    _retry(path, remove)


def clear_environment(environment: Path, windows: bool = os.name == "nt") -> list[str]:
    """Removes an environment, or only the link to one. Returns the names of other files in the folder, which stay.

    The state file is removed last, so that the folder can be recognized as ours until it is gone. Raises InstallError.
    """
    if is_link(environment):
        clear(environment)
        return []
    empty_environment(environment, windows, and_state=True)
    return sorted(path.name for path in environment.iterdir()) if is_there(environment) else []


def empty_environment(environment: Path, windows: bool = os.name == "nt", and_state: bool = False) -> None:
    """Removes the content of an environment. Its folder stays and is marked as ours and unfinished, unless `and_state`
    is set.

    Raises InstallError, and removes nothing, if it contains jobs.
    """
    if not environment.is_dir():
        return
    own = list(_own(environment, windows))
    for job in (job for path in own for job in _jobs(path)):
        raise InstallError(
            "The job {job} is inside the backend's environment {environment}, which would be removed.",
            "Move the folder {parent} elsewhere, choose it as the Jobs Folder, and try again.",
        ).about(job=job, environment=environment, parent=job.parent)
    write_state(environment, State())
    for path in own:
        clear(path)
    for path in environment.iterdir() if and_state else ():
        if names_state(path.name):
            clear(path)
    if and_state and not any(environment.iterdir()):
        _retry(environment, environment.rmdir)


def _own(environment: Path, windows: bool) -> Iterator[Path]:
    names = {os.path.normcase(name) for name in (WINDOWS if windows else POSIX)}
    return (path for path in environment.iterdir() if os.path.normcase(path.name) in names)


def _jobs(folder: Path) -> Iterator[Path]:
    """Yields job folders below `folder`. Links are not followed."""
    if is_link(folder):
        return
    for root, below, names in os.walk(folder):
        if "job.json" in names and ("reference" in below or "state.json" in names):
            yield Path(root)


def _retry(path: Path, remove: Callable[[], None]) -> None:
    deadline = time.monotonic() + SECONDS_TO_CLEAR
    while is_there(path):
        try:
            remove()
        except OSError as error:
            if time.monotonic() > deadline:
                raise InstallError("{path} cannot be removed ({reason}).", CLOSE).about(
                    path=path, reason=error.strerror
                ) from None
            time.sleep(0.5)
