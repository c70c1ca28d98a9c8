"""Clips from files: what one is, and its frames as a reference, both said and made by the backend. Without bpy.

The add-on reads no clip by itself, so a clip is the same whether the panel or `python -m backend clone` is given it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from ...backend.job_folder.plain_text import clean
from ...backend.job_folder.reading import parse_json
from ..errors import UserError
from .backend_call import BackendCall
from .interpreter import HINT

SECONDS = 1800.0  # a long film is decoded whole
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class ClipFacts:
    """size: (H, W) in square pixels; frames: of the clip's own; seconds: how long it lasts, None for a folder of
    pictures; notes: sentences for the user."""

    path: Path
    size: tuple[int, int]
    frames: int
    seconds: float | None
    notes: tuple[str, ...] = ()


class ClipCall(Generic[Answer]):
    """One question about a clip."""

    def __init__(self, command: Sequence[str], path: Path, read: Callable[[dict[str, Any]], Answer]):
        """read: makes the answer of what the backend printed; KeyError, TypeError or ValueError where it cannot.
        UserError when the program cannot be started."""
        self._call, self._path, self._read = BackendCall(command, SECONDS), path, read

    def answer(self) -> Answer | None:
        """None until it has come. UserError when the backend refuses the clip, or does not answer."""
        code = self._call.code()
        if code is None:
            if self._call.late:
                self.drop()
                said = f"The backend did not read {self._path} within {SECONDS:.0f} s."
                raise UserError(said, "Choose a shorter clip.")
            return None
        found = self._answer()
        if code and isinstance(found.get("message"), str):
            raise UserError(clean(found["message"]), clean(str(found.get("hint", ""))))
        if code:
            said = f"The backend cannot read {self._path}: {self._call.complaint()}"
            raise UserError(said, HINT, "motionclone.install_backend")
        try:
            return self._read(found)
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{self._call.program} did not answer as MotionClone's backend does.", HINT) from None

    def _answer(self) -> dict[str, Any]:
        """Empty where it has printed anything else."""
        try:
            found = parse_json(self._call.said())
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def drop(self) -> None:
        """Ends it: whoever asked is no longer interested."""
        self._call.drop()


def examine(command: Callable[[Sequence[str]], list[str]], path: Path) -> ClipCall[ClipFacts]:
    """Asks what a clip is. command: gives what calls the backend with such arguments."""

    def read(found: dict[str, Any]) -> ClipFacts:
        seconds = found["seconds"]
        return ClipFacts(
            path=path,
            size=(int(found["height"]), int(found["width"])),
            frames=int(found["frames"]),
            seconds=None if seconds is None else float(seconds),
            notes=tuple(clean(str(note)) for note in found["notes"]),
        )

    return ClipCall(command(("examine", str(path), "--json")), path, read)


def write_frames(
    command: Callable[[Sequence[str]], list[str]], path: Path, count: int, size: tuple[int, int], to: Path
) -> ClipCall[list[str]]:
    """Has `count` frames of a clip written as <to>/0000.png ... at size (H, W), as `clone` would. Its answer: notes."""

    def read(found: dict[str, Any]) -> list[str]:
        if found["frames"] != count:
            raise ValueError(found["frames"])
        return [clean(str(note)) for note in found["notes"]]

    height, width = size
    how = ("--count", str(count), "--size", f"{width}x{height}", "--to", str(to), "--json")
    return ClipCall(command(("frames", str(path), *how)), path, read)
