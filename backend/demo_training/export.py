"""Writes the trained model as a standard diffusers folder of fp16 safetensors."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AnimateDiffPipeline, AutoencoderKL

from ..backbones.animatediff.frame_norm import normalize_all_frames
from . import architecture, tokenizer
from .trainer import has_state, load_average


def export(state: Path, folder: Path) -> None:
    """Writes the averaged parameters of the stage 'clips', or of 'frames' if there is no other, to `folder`."""
    words = tokenizer.build(state / "tokenizer")
    unet, text_encoder = architecture.unet(), architecture.text_encoder(words)
    load_average(state, "clips" if has_state(state, "clips") else "frames", [unet, text_encoder])
    normalize_all_frames(unet)
    vae = AutoencoderKL.from_pretrained(state / "vae")
    vae.register_to_config(_name_or_path="")  # otherwise the model contains the path where it was trained
    pipeline = AnimateDiffPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=words,
        unet=unet,
        motion_adapter=None,
        scheduler=architecture.scheduler(),
    )
    pipeline.to(torch.float16).save_pretrained(folder)
