"""Checkpoints of sampling in the job folder, from which an interrupted job continues."""

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

from ..job_folder.problem import Sentence
from ..job_folder.reading import check_regular
from ..job_folder.writing import remove_parts, remove_with_retry, write_atomically
from ..sampling.state import SamplerState

NAME = "checkpoint.safetensors"
SECONDS = 10.0  # the minimum time between two checkpoints
VERSION_CHANGED = "The version of MotionClone changed."


class Checkpoint:
    """The checkpoint of one job: `state` starts or continues sampling, `keep` saves a step, `remove` ends it."""

    def __init__(self, folder: Path, note: Callable[[str], None]):
        """note: receives a sentence if the folder cannot be written, which does not stop the job, or if saved steps
        cannot be used.
        """
        self._path, self._note = folder / NAME, note
        self._kept, self._written = SamplerState(), 0.0
        self._parts: Mapping[str, str] = {}
        self._used = _facts(self._path, "used")

    def used(self, name: str, requested: str) -> str | None:
        """Returns what the finished steps were made with, such as the policy for "memory".

        requested: the present value of the setting. None if the setting has changed since, or if nothing is known.
        """
        known = self._used.get(name, "").split(" for ")
        return known[0] if len(known) == 2 and known[1] == requested else None

    def state(
        self, parts: Mapping[str, str], device: torch.device, used: Mapping[str, tuple[str, str]] | None = None
    ) -> SamplerState:
        """Returns the state after the finished steps, empty if there is none for these `parts`.

        It comes from this process, else from the file. parts: hashes of everything that the take depends on, by the
        sentence that the user sees if it changed. used: by name what the next steps are made with and the setting that
        led to it; both may change between steps.
        """
        self._parts, self._written = parts, time.monotonic()
        self._kept = self._kept or self._read(device)
        self._used = {name: " for ".join(pair) for name, pair in (used or {}).items()}
        return SamplerState(self._kept)

    def keep(self, state: SamplerState) -> None:
        """Saves the state after a step: always in this process, and at most every `SECONDS` in the file."""
        self._kept = SamplerState(state)
        if time.monotonic() - self._written < SECONDS:
            return
        try:
            self._write()
        except OSError as error:
            self._note(
                Sentence(
                    "{path} cannot be written ({reason}); if the job is interrupted, it restarts from the beginning.",
                    path=self._path,
                    reason=error.strerror,
                )
            )
        self._written = time.monotonic()

    def remove(self) -> None:
        """Removes the checkpoint of a job that is finished. A file that cannot be removed does no harm."""
        self._kept = SamplerState()
        with suppress(OSError):
            remove_with_retry(self._path)
        remove_parts(self._path.parent, [NAME])

    def _read(self, device: torch.device) -> SamplerState:
        """Reads the file. If it is damaged or of another take, a note tells the user, and the state is empty."""
        try:
            with _opened(self._path) as file:
                before = _parsed(file.metadata(), "parts")
                changed = [name for name, value in self._parts.items() if before.get(name) != value]
                if changed or not before:
                    return self._none(" ".join(changed[:2]) or VERSION_CHANGED)
                # Copies: tensors in the mapped file may have another alignment, and the file will be replaced.
                tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        except FileNotFoundError:
            return SamplerState()
        except (OSError, SafetensorError):
            return self._none(Sentence("{path} is damaged.", path=self._path))
        # The number of steps and the state of a generator belong on the CPU.
        return SamplerState({name: t.to(device) if t.is_floating_point() else t for name, t in tensors.items()})

    def _none(self, reason: str) -> SamplerState:
        message = "The saved steps cannot be used; the job restarts at its first step. {reason}"
        self._note(Sentence(message, reason=Sentence(reason)))
        return SamplerState()

    def _write(self) -> None:
        """Writes the file atomically, even if the power fails."""
        # Copies: two names may share one tensor, which the format does not allow.
        facts = {"parts": json.dumps(self._parts), "used": json.dumps(self._used)}
        content = save({name: tensor.cpu().clone() for name, tensor in self._kept.items()}, facts)
        write_atomically(self._path, content, durable=True)


def _opened(path: Path) -> Any:
    """Opens a regular file; reading a named pipe would block forever. Raises OSError or SafetensorError."""
    check_regular(path)
    return safe_open(path, "pt")


def _facts(path: Path, name: str) -> dict[str, str]:
    """Returns the metadata of this name in the file, empty if the file is damaged or missing."""
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
