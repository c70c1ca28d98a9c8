"""Loads a model's components from an ordinary diffusers folder. Only safetensors, only local files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, DDIMScheduler, MotionAdapter, UNet2DConditionModel, UNetMotionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from ..errors import JobError
from .denoise import Denoiser
from .entry import ModelEntry
from .frame_norm import normalise_each_frame

# Loading takes a moment here; the libraries' own bars would only disturb the job's progress lines.
diffusers.utils.logging.disable_progress_bar()
transformers.utils.logging.disable_progress_bar()

LOCAL = {"local_files_only": True}
WEIGHTS = LOCAL | {"use_safetensors": True, "low_cpu_mem_usage": False}  # True would ask for accelerate


@dataclass(frozen=True)
class Components:
    """A loaded model. alphas [1000]: cumulative alphas of its noise schedule."""

    entry: ModelEntry
    vae: AutoencoderKL
    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    unet: UNetMotionModel
    alphas: Tensor

    @property
    def denoise(self) -> Denoiser:
        return Denoiser(self.unet)

    @property
    def latent_scale(self) -> int:
        """Pixels to a latent cell, along each side."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)


def load_components(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Components:
    """JobError names what is missing or damaged."""
    folder = entry.folder
    if not (folder / "model_index.json").is_file():
        raise JobError(
            f"The model {entry.name!r} has no model_index.json in {folder}.",
            "Point the entry's folder at a complete diffusers folder.",
        )
    try:
        modules = {
            "vae": AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=dtype, **WEIGHTS),
            "text_encoder": CLIPTextModel.from_pretrained(
                folder / "text_encoder", dtype=dtype, use_safetensors=True, **LOCAL
            ),
            "unet": _load_unet(folder, dtype),
        }
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", **LOCAL)
        schedule = DDIMScheduler.from_pretrained(folder / "scheduler", **LOCAL)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise JobError(
            f"The model {entry.name!r} in {folder} cannot be loaded: {reason}",
            "Its files may be incomplete: fetch or copy the folder again.",
        ) from error
    for module in modules.values():
        module.to(device=device).eval().requires_grad_(False)
    normalise_each_frame(modules["unet"])
    return Components(entry=entry, tokenizer=tokenizer, alphas=schedule.alphas_cumprod, **modules)


def _load_unet(folder: Path, dtype: torch.dtype) -> UNetMotionModel:
    """A UNet with motion modules in it, or a plain one with a motion adapter beside it."""
    config: dict[str, Any] = json.loads((folder / "unet" / "config.json").read_text(encoding="utf-8"))
    how = WEIGHTS | {"torch_dtype": dtype}
    if config.get("_class_name") == "UNetMotionModel":
        return UNetMotionModel.from_pretrained(folder / "unet", **how)
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", **how)
    return UNetMotionModel.from_unet2d(unet, MotionAdapter.from_pretrained(folder / "motion_adapter", **how))


def choose_device() -> tuple[torch.device, torch.dtype]:
    """The fastest device here, with the precision it works well in."""
    if torch.cuda.is_available():
        return torch.device("cuda"), torch.float16
    if torch.backends.mps.is_available():
        return torch.device("mps"), torch.float16
    return torch.device("cpu"), torch.float32
