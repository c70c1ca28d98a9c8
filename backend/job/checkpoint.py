"""A take's sampling kept in its job folder while it lasts, so that a job that was cut off goes on where it was."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..job_folder.reading import check_regular
from ..job_folder.writing import remove_parts, remove_patiently, write_atomically
from ..sampling.state import SamplerState

NAME = "checkpoint.safetensors"
SECONDS = 10.0  # at least, from one to the next
VERSION_CHANGED = "The version of MotionClone changed."


class Checkpoint:
    """Of one job. `state` begins or goes on, `keep` records a step, `remove` ends it."""

    def __init__(self, folder: Path, note: Callable[[str], None]):
        """note: is given a sentence when the folder cannot be written, which costs the job nothing, and when steps
        that were saved cannot be used."""
        self._path, self._note = folder / NAME, note
        self._kept, self._written = SamplerState(), 0.0
        self._parts: Mapping[str, str] = {}
        self._used = _facts(self._path, "used")

    def used(self, name: str, wish: str) -> str | None:
        """What the steps so far were made with, such as the policy for "memory", if `wish`, the setting, is as it was
        then; None when nothing is known."""
        known = self._used.get(name, "").split(" for ")
        return known[0] if len(known) == 2 and known[1] == wish else None

    def state(
        self, parts: Mapping[str, str], device: torch.device, used: Mapping[str, tuple[str, str]] | None = None
    ) -> SamplerState:
        """Of the steps that are done: in this process, else in the file if it was written for the same `parts`. Empty
        when nothing fits.

        parts: everything that the take depends on, each under the sentence that is told when it changed; used: by name
        what is used from now on and the setting that led to it, which may change between steps."""
        self._parts, self._written = parts, time.monotonic()
        self._kept = self._kept or self._read(device)
        self._used = {name: " for ".join(pair) for name, pair in (used or {}).items()}
        return SamplerState(self._kept)

    def keep(self, state: SamplerState) -> None:
        """After each step: a record in this process, and now and then one in the file."""
        self._kept = SamplerState(state)
        if time.monotonic() - self._written < SECONDS:
            return
        try:
            self._write()
        except OSError as error:
            self._note(f"{self._path} cannot be written ({error.strerror}); if the job is cut off, it begins anew.")
        self._written = time.monotonic()

    def remove(self) -> None:
        """The job is done, or will not go on. A file that cannot be removed harms nobody: its steps are this job's."""
        self._kept = SamplerState()
        with suppress(OSError):
            remove_patiently(self._path)
        remove_parts(self._path.parent, [NAME])

    def _read(self, device: torch.device) -> SamplerState:
        """A file that is damaged or of another take is as good as none, and the user hears of it."""
        try:
            with _opened(self._path) as file:
                before = _parsed(file.metadata(), "parts")
                changed = [name for name, value in self._parts.items() if before.get(name) != value]
                if changed or not before:
                    return self._none(" ".join(changed[:2]) or VERSION_CHANGED)
                # Copies: what lies in the mapped file may be aligned otherwise, and the file will be replaced.
                tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        except FileNotFoundError:
            return SamplerState()
        except (OSError, SafetensorError):
            return self._none(f"{self._path} is damaged.")
        # The count of steps and the state of a generator are at home on the CPU.
        return SamplerState({name: t.to(device) if t.is_floating_point() else t for name, t in tensors.items()})

    def _none(self, reason: str) -> SamplerState:
        self._note(f"The saved steps cannot be used; the job starts again at its first step. {reason}")
        return SamplerState()

    def _write(self) -> None:
        """Whole or not at all, also when the power fails."""
        # Copies: two names may be of one tensor, which the format refuses.
        facts = {"parts": json.dumps(self._parts), "used": json.dumps(self._used)}
        content = save({name: tensor.cpu().clone() for name, tensor in self._kept.items()}, facts)
        write_atomically(self._path, content, durable=True)


def _opened(path: Path) -> Any:
    """A regular file: a named pipe would make its reader wait for ever. OSError, SafetensorError."""
    check_regular(path)
    return safe_open(path, "pt")


def _facts(path: Path, name: str) -> dict[str, str]:
    """What the file tells of its steps under that name; empty when it is damaged or not there."""
    try:
        with _opened(path) as file:
            return _parsed(file.metadata(), name)
    except (OSError, SafetensorError):
        return {}


def _parsed(metadata: Mapping[str, str] | None, name: str) -> dict[str, str]:
    try:
        content = json.loads((metadata or {}).get(name, ""))
    except ValueError:
        return {}
    return {key: str(value) for key, value in content.items()} if isinstance(content, dict) else {}
