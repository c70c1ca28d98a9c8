"""A cache of inverted latents on disk, with a file for each timestep: those of one clip take up to a gigabyte."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..job_folder.folders import data_folder
from ..job_folder.lock import FolderLock, Occupied
from ..job_folder.problem import Problem
from ..job_folder.storage import keep_newest
from ..job_folder.writing import replace_with_retry, write_atomically
from ..sampling.contexts import Context
from ..sampling.state import SamplerState
from .checkpoint import Checkpoint

MAX_CLIPS, MAX_BYTES = 12, 4 * 10**9
NAME = "latents"


@dataclass(frozen=True)
class InvertedLatents:
    """The inverted latents [1, C, F, h, w] by timestep, in <folder>/<timestep>.safetensors; one is read at a time."""

    folder: Path
    device: torch.device

    def __call__(self, timestep: int, frames: Context | None = None) -> Tensor:
        """Returns the latents at a timestep; only those of `frames`, if given."""
        path = self.folder / f"{timestep}.safetensors"
        with suppress(OSError):
            os.utime(self.folder)  # in use: a job may take hours
        try:
            with safe_open(path, "pt", device=str(self.device)) as file:
                if frames is None:
                    return file.get_tensor(NAME)
                near = file.get_slice(NAME)[:, :, frames[0] : frames[-1] + 1]
                return near[:, :, [frame - frames[0] for frame in frames]]
        except (OSError, SafetensorError) as error:
            raise Problem(
                "The inverted latents in {path} cannot be read ({reason}).",
                "Remove the folder {folder} and run the job again.",
            ).about(path=path, reason=error, folder=self.folder) from None


Keep = Callable[[int, Tensor], None]
# invert(keep, state, after_step): passes the latents of each timestep to `keep`, and continues from `state`.
Invert = Callable[[Keep, SamplerState, Callable[[], None]], None]


def cached_inversion(key: str, device: torch.device, wanted: Collection[int], invert: Invert) -> InvertedLatents:
    """Returns the latents cached under `key`. If there are none, runs `invert` and stores those of `wanted` timesteps.

    An interrupted inversion continues after its last saved step. Raises Problem if the cache cannot be written.
    """
    folder = data_folder() / "inversion" / key
    if folder.is_dir():
        os.utime(folder)  # in use: the oldest are removed first
        return InvertedLatents(folder, device)
    try:
        part, lock = _locked_folder(folder.with_name(f"{key}.part"))
        try:
            _fill(part, {"the clip": key, "the device": f"{device}, torch {torch.__version__}"}, device, wanted, invert)
        except OSError:
            shutil.rmtree(part, ignore_errors=True)
            raise
        finally:
            lock.release()
        if folder.is_dir():  # another process has finished first
            shutil.rmtree(part, ignore_errors=True)
        else:
            replace_with_retry(part, folder)
    except OSError as error:
        raise Problem(
            "The inverted latents cannot be written to {parent} ({reason}).",
            "Free disk space there, or set MOTIONCLONE_DATA to another folder.",
        ).about(parent=folder.parent, reason=error.strerror) from None
    keep_newest((path for path in folder.parent.iterdir() if path.is_dir()), MAX_CLIPS, MAX_BYTES)
    return InvertedLatents(folder, device)


def _locked_folder(part: Path) -> tuple[Path, FolderLock]:
    """Returns the folder to write to, and its lock: that of an interrupted inversion, if no process uses it."""
    part.mkdir(parents=True, exist_ok=True)
    try:
        return part, FolderLock(part)
    except Occupied:
        part = part.with_name(f"{part.stem}.{os.getpid()}.part")
        part.mkdir(exist_ok=True)
        return part, FolderLock(part)


def _fill(part: Path, parts: dict[str, str], device: torch.device, wanted: Collection[int], invert: Invert) -> None:
    def keep(timestep: int, latents: Tensor) -> None:
        if timestep in wanted:
            write_atomically(part / f"{timestep}.safetensors", save({NAME: latents.contiguous().cpu()}))

    record = Checkpoint(part, lambda note: None)  # no notes: if it cannot be written, neither can the latents
    state = record.state(parts, device)
    invert(keep, state, lambda: record.keep(state))
    record.remove()
