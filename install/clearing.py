"""Takes away what the installer made, and nothing else: of a link the link alone, of a folder what is ours in it."""

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
# All that virtual environments and the packages in them have at their top, by venv, uv and pip.
POSIX = ("bin", "lib", "lib64", "include", "share", "etc", "pyvenv.cfg", ".gitignore", ".lock", "CACHEDIR.TAG")
WINDOWS = ("Scripts", "Lib", "Include", "share", "etc", "pyvenv.cfg", ".gitignore", ".lock", "CACHEDIR.TAG")


def clear(path: Path) -> None:
    """Removes a file, a folder and all in it, or of a link the link. What a killed run had started may still be
    writing there for some seconds."""

    def remove() -> None:
        if is_link(path) or not path.is_dir():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path)  # which does not follow the links in it either

    _insist(path, remove)


def clear_environment(environment: Path, windows: bool = os.name == "nt") -> list[str]:
    """Removes an environment: of a link the link; of a folder what an environment consists of, its state file last, so
    that it stays known as ours until it is gone; -> the names of what else is in it, which stays with its folder."""
    if is_link(environment):
        clear(environment)
        return []
    empty_environment(environment, windows, and_state=True)
    return sorted(path.name for path in environment.iterdir()) if is_there(environment) else []


def empty_environment(environment: Path, windows: bool = os.name == "nt", and_state: bool = False) -> None:
    """Removes what an environment consists of; its folder stays, marked as ours and as unfinished, unless and_state is
    said. InstallError, and nothing is removed, when there are jobs in it."""
    if not environment.is_dir():
        return
    own = list(_own(environment, windows))
    for job in (job for path in own for job in _jobs(path)):
        raise InstallError(
            f"The job {job} lies within the backend's environment {environment}, which is about to be removed.",
            f"Move the folder {job.parent} to another place, choose that as the Jobs Folder, and try again.",
        )
    write_state(environment, State())
    for path in own:
        clear(path)
    for path in environment.iterdir() if and_state else ():
        if names_state(path.name):
            clear(path)
    if and_state and not any(environment.iterdir()):
        _insist(environment, environment.rmdir)


def _own(environment: Path, windows: bool) -> Iterator[Path]:
    names = {os.path.normcase(name) for name in (WINDOWS if windows else POSIX)}
    return (path for path in environment.iterdir() if os.path.normcase(path.name) in names)


def _jobs(folder: Path) -> Iterator[Path]:
    """Job folders below `folder`, links not followed."""
    if is_link(folder):
        return
    for root, below, names in os.walk(folder):
        if "job.json" in names and ("reference" in below or "state.json" in names):
            yield Path(root)


def _insist(path: Path, remove: Callable[[], None]) -> None:
    deadline = time.monotonic() + SECONDS_TO_CLEAR
    while is_there(path):
        try:
            remove()
        except OSError as error:
            if time.monotonic() > deadline:
                raise InstallError(f"{path} cannot be removed ({error.strerror}).", CLOSE) from None
            time.sleep(0.5)
