"""What an environment's folder says of itself, and who works on it: what a run that was killed leaves for the next."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .failures import FULL, OTHER_FOLDER, InstallError

NAME = "motionclone.json"
PART = f"{NAME}.part"
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
    part = environment / PART
    part.write_text(json.dumps({"format": FORMAT, **asdict(state)}, indent=1), encoding="utf-8")
    os.replace(part, environment / NAME)


def is_ours(environment: Path) -> bool:
    """Whether we may write into the folder and remove it: it is not there, empty, or has our state file."""
    if not environment.exists():
        return True
    if not environment.is_dir():
        return False
    names = [path.name for path in environment.iterdir()]
    return not names or NAME in names or PART in names


def check_ours(environment: Path) -> None:
    if not is_ours(environment):
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
        file = os.open(work / "lock", os.O_RDWR | os.O_CREAT, 0o644)
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
        file = os.open(work / "lock", os.O_RDWR)
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


def clear(folder: Path) -> None:
    """Removes a folder and all in it, its state file last, so that it stays known as ours until it is gone. What a
    killed run had started may still be writing there for some seconds."""
    deadline = time.monotonic() + 30
    while folder.exists():
        try:
            for path in sorted(folder.iterdir(), key=lambda path: path.name.startswith(NAME)):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            folder.rmdir()
        except OSError as error:
            if time.monotonic() > deadline:
                raise InstallError(
                    f"{folder} cannot be removed ({error.strerror}).",
                    "Stop the worker in the preferences and close other programs that use it, then try again.",
                ) from None
            time.sleep(0.5)
