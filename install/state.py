"""What an environment's folder says of itself, and who works on it: what a run that was killed leaves for the next."""

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

NAME = "motionclone.json"
LOCK_FILE = "lock"
FORMAT = 1
SECONDS_TO_NOTICE = 10  # that its parent was killed


@dataclass
class State:
    """python: the version of the finished empty environment, "" before; layers: fingerprint by name of what is
    installed; installing: the fingerprint of the layer being installed, "" when none is, so that one that is there at
    the start of a run was interrupted; build: of torch, for the doctor."""

    python: str = ""
    layers: dict[str, str] = field(default_factory=dict)
    installing: str = ""
    build: str = ""


def read_state(environment: Path) -> State | None:
    """None where the folder holds none, or one that cannot be read: then nothing can be said of what lies there."""
    try:
        content = json.loads((environment / NAME).read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            return None
        return State(**content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_state(environment: Path, state: State) -> None:
    """At once, or not at all."""
    write_whole(environment / NAME, json.dumps({"format": FORMAT, **asdict(state)}, indent=1))


def names_state(name: str) -> bool:
    """Whether a file of this name is our state file, or one that a killed run did not finish."""
    return name == NAME or (name.startswith(f"{NAME}.") and name.endswith(".part"))


def is_ours(environment: Path, marks: Collection[str] = (NAME,)) -> bool:
    """Whether we may write into the folder and remove it: it is not there, empty, or has one of our marks in it."""
    if not environment.is_dir():
        return not is_there(environment)
    names = [path.name for path in environment.iterdir()]
    return not names or any(name in marks or names_state(name) for name in names)


def check_ours(environment: Path, marks: Collection[str] = (NAME,)) -> None:
    if not is_ours(environment, marks):
        raise InstallError(
            f"{environment} exists already and was not made by MotionClone.",
            f"Remove it yourself if nothing in it is needed. {OTHER_FOLDER}",
        )


@contextmanager
def held(work: Path, elsewhere: str = OTHER_FOLDER) -> Iterator[None]:
    """One process at a time works beside this folder; the system's lock ends with its process, however it ends.
    elsewhere: what else to do when nothing can be written there, in a sentence."""
    try:
        work.mkdir(parents=True, exist_ok=True)
        file = os.open(work / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise InstallError(
            f"{work.parent} cannot be written to ({error.strerror}).",
            f"Free some space. {elsewhere}" if error.errno in FULL else f"Make the folder writable. {elsewhere}",
        ) from None
    try:
        if not _locked(file):
            raise InstallError(
                f"Another installation or download is at work in {work.parent}.",
                "Wait until it has ended, or stop it there.",
            )
        yield
    finally:
        os.close(file)


@contextmanager
def held_soon(work: Path) -> Iterator[None]:
    """As `held`, for a child: that of a run which was just killed may take a moment to notice."""
    deadline = time.monotonic() + SECONDS_TO_NOTICE
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(held(work))
                break
            except InstallError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        yield


def is_held(work: Path) -> bool:
    """Whether an installation is at work there now."""
    try:
        file = os.open(work / LOCK_FILE, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _locked(file)
    finally:
        os.close(file)


def _locked(file: int) -> bool:
    with suppress(OSError):
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
