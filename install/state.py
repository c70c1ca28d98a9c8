"""What an environment's folder says of itself, and who works on it: what a run that was killed leaves for the next."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .failures import InstallError

NAME = "motionclone.json"
PART = f"{NAME}.part"
FORMAT = 1


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
            "Name another folder with --where, or remove this one yourself if nothing in it is needed.",
        )


@contextmanager
def held(work: Path, elsewhere: str = "name another one with --where") -> Iterator[None]:
    """One process at a time works beside this folder; the system's lock ends with its process, however it ends.
    elsewhere: what to do when nothing can be written there, as the end of a sentence."""
    try:
        work.mkdir(parents=True, exist_ok=True)
        file = os.open(work / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise InstallError(
            f"{work.parent} cannot be written to ({error.strerror}).",
            f"Make the folder writable, or {elsewhere}.",
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
