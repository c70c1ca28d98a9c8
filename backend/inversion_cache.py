"""Inverted latents kept on disk, a file for each noise level, and read one at a time: a clip's are up to a gigabyte."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from .errors import JobError
from .wire.folders import data_folder

MOST_CLIPS = 12
NAME = "latents"


@dataclass(frozen=True)
class InvertedLatents:
    """Latents [1, 4, F, h, w] by timestep, in <folder>/<timestep>.safetensors."""

    folder: Path
    device: torch.device

    def __call__(self, timestep: int) -> Tensor:
        path = self.folder / f"{timestep}.safetensors"
        try:
            return load_file(path, device=str(self.device))[NAME]
        except (OSError, SafetensorError, KeyError) as error:
            raise JobError(
                f"The inverted latents in {path} cannot be read ({error}).",
                f"Remove the folder {self.folder} and run the job again.",
            ) from None


def cached_inversion(
    key: str,
    device: torch.device,
    wanted: Collection[int],
    invert: Callable[[Callable[[int, Tensor], None]], None],
) -> InvertedLatents:
    """The latents stored under `key`, or those that `invert` hands over, of which the `wanted` timesteps are stored."""
    folder = data_folder() / "inversion" / key
    if folder.is_dir():
        os.utime(folder)  # used now: the oldest go first
        return InvertedLatents(folder, device)
    part = folder.with_name(f"{key}.{os.getpid()}.part")

    def keep(timestep: int, latents: Tensor) -> None:
        if timestep in wanted:
            save_file({NAME: latents.contiguous().cpu()}, part / f"{timestep}.safetensors")

    try:
        part.mkdir(parents=True, exist_ok=True)
        invert(keep)
        os.replace(part, folder)
    except OSError as error:
        raise JobError(
            f"The inverted latents cannot be written to {folder.parent} ({error.strerror}).",
            "Free space there, or let MOTIONCLONE_DATA name another folder.",
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    kept = sorted((p for p in folder.parent.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime, reverse=True)
    for old in kept[MOST_CLIPS:]:
        shutil.rmtree(old, ignore_errors=True)
    return InvertedLatents(folder, device)
