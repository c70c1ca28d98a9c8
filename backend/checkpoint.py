"""A take's sampling kept in its job folder while it lasts, so that a job that was cut off goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from .sampling.memory import Memory
from .wire.reading import check_regular
from .wire.writing import remove_parts, write_atomically

NAME = "checkpoint.safetensors"
SECONDS = 10.0  # at least, from one to the next


class Checkpoint:
    """Of one job. `memory` begins or goes on, `keep` records a step, `remove` ends it."""

    def __init__(self, folder: Path, note: Callable[[str], None]):
        """note: is given a sentence when the folder cannot be written, which costs the job nothing."""
        self._path, self._note = folder / NAME, note
        self._kept, self._key, self._written = Memory(), "", 0.0

    def memory(self, key: str, device: torch.device) -> Memory:
        """Of the steps that are done: in this process, else in the file if `key`, which must tell everything that the
        take depends on, is the one it was written under. Empty when nothing fits."""
        self._key, self._written = key, time.monotonic()
        self._kept = self._kept or self._read(device)
        return Memory(self._kept)

    def keep(self, memory: Memory) -> None:
        """After each step: a record in this process, and now and then one in the file."""
        self._kept = Memory(memory)
        if time.monotonic() - self._written < SECONDS:
            return
        try:
            self._write()
        except OSError as error:
            self._note(f"{self._path} cannot be written ({error.strerror}); if the job is cut off, it begins anew.")
        self._written = time.monotonic()

    def remove(self) -> None:
        """The job is done, or will not go on."""
        self._kept = Memory()
        self._path.unlink(missing_ok=True)
        remove_parts(self._path.parent, [NAME])

    def _read(self, device: torch.device) -> Memory:
        """A file that is damaged or of another take is as good as none."""
        try:
            check_regular(self._path)
            with safe_open(self._path, "pt") as file:
                if (file.metadata() or {}).get("key") != self._key:
                    return Memory()
                # Copies: what lies in the mapped file may be aligned otherwise, and the file will be replaced.
                tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError):
            return Memory()
        # The count of steps and the state of a generator are at home on the CPU.
        return Memory({name: t.to(device) if t.is_floating_point() else t for name, t in tensors.items()})

    def _write(self) -> None:
        """Whole or not at all, also when the power fails."""
        # Copies: two names may be of one tensor, which the format refuses.
        content = save({name: tensor.cpu().clone() for name, tensor in self._kept.items()}, {"key": self._key})
        write_atomically(self._path, content, durable=True)
