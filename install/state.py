"""The state of an environment's folder and the lock of its work folder. A run continues from what a killed one left."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .failures import FULL, OTHER_FOLDER, InstallError
from .files import is_there, write_whole
from .sentences import Sentence

NAME = "motionclone.json"
LOCK_FILE = "lock"
FORMAT = 1
SECONDS_TO_NOTICE = 10  # for a child to notice that its parent was killed


@dataclass
class State:
    """The state of an environment.

    python: the version of the environment, empty before it is created; layers: fingerprints of the installed layers by
    name; installing: the fingerprint of the layer being installed, so that a value found at the start means an
    interrupted run; build: the torch build, for the doctor.
    """

    python: str = ""
    layers: dict[str, str] = field(default_factory=dict)
    installing: str = ""
    build: str = ""


def read_state(environment: Path) -> State | None:
    """The folder's state, or None if there is none or it cannot be read."""
    try:
        content = json.loads((environment / NAME).read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            return None
        return State(**content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_state(environment: Path, state: State) -> None:
    """Writes the state atomically. Raises OSError."""
    write_whole(environment / NAME, json.dumps({"format": FORMAT, **asdict(state)}, indent=1))


def names_state(name: str) -> bool:
    """Whether the name is that of our state file or of an incomplete one."""
    return name == NAME or (name.startswith(f"{NAME}.") and name.endswith(".part"))


def is_ours(environment: Path, marks: Collection[str] = (NAME,)) -> bool:
    """Whether the installer may write to the folder and remove it: it is missing, empty, or contains one of `marks`."""
    if not environment.is_dir():
        return not is_there(environment)
    names = [path.name for path in environment.iterdir()]
    return not names or any(name in marks or names_state(name) for name in names)


def check_ours(environment: Path, marks: Collection[str] = (NAME,)) -> None:
    """Raises InstallError unless the folder is ours."""
    if not is_ours(environment, marks):
        raise InstallError(
            "{environment} exists already and was not made by MotionClone.",
            f"Remove it yourself if you do not need anything in it. {OTHER_FOLDER}",
        ).about(environment=environment)


@contextmanager
def locked(work: Path, elsewhere: str = OTHER_FOLDER) -> Iterator[None]:
    """Locks a work folder for one process at a time. The system releases the lock when the process ends.

    elsewhere: a sentence with an alternative for a folder that cannot be written. Raises InstallError.
    """
    try:
        work.mkdir(parents=True, exist_ok=True)
        file = os.open(work / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise InstallError(
            "{folder} cannot be written to ({reason}).",
            "Free some space. {elsewhere}" if error.errno in FULL else "Make the folder writable. {elsewhere}",
        ).about(folder=work.parent, reason=error.strerror, elsewhere=Sentence(elsewhere)) from None
    try:
        if not _try_lock(file):
            raise InstallError(
                "Another installation or download is running in {parent}.",
                "Wait until it is finished, or stop it there.",
            ).about(parent=work.parent)
        yield
    finally:
        os.close(file)


@contextmanager
def locked_soon(work: Path) -> Iterator[None]:
    """Like `locked`, for a child process. Waits for the child of a killed run to notice that its parent is gone."""
    deadline = time.monotonic() + SECONDS_TO_NOTICE
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locked(work))
                break
            except InstallError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        yield


def is_locked(work: Path) -> bool:
    """Whether an installation is running there."""
    try:
        file = os.open(work / LOCK_FILE, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _try_lock(file)
    finally:
        os.close(file)


def _try_lock(file: int) -> bool:
    with suppress(OSError):
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
