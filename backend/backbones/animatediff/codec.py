"""Encodes frames as latents and decodes latents as frames."""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from torch import Tensor

from ...memory.device import on_device


@torch.no_grad()
def encode_pixels(vae: AutoencoderKL, device: torch.device, pixels: Tensor) -> Tensor:
    """Encodes frames [F, 3, H, W] in -1..1 as latents [1, 4, F, h, w]: the mean of the posterior, frame by frame.

    device: where the VAE runs.
    """
    dtype = vae.dtype
    with on_device(device, vae):
        parts = [vae.encode(frame[None].to(device, dtype)).latent_dist.mean for frame in pixels]
    return (torch.cat(parts) * vae.config.scaling_factor).float().transpose(0, 1)[None]


@torch.no_grad()
def decode_latents(
    vae: AutoencoderKL | AutoencoderTiny,
    device: torch.device,
    latents: Tensor,
    after_frame: Callable[[], None] = lambda: None,
) -> Tensor:
    """Decodes latents [1, 4, F, h, w] as frames [F, 3, H, W] in -1..1, frame by frame.

    device: where the VAE runs. after_frame: called after each frame.
    """
    frames, dtype = [], vae.dtype
    with on_device(device, vae):
        for latent in (latents[0] / vae.config.scaling_factor).transpose(0, 1):
            frames.append(vae.decode(latent[None].to(device, dtype)).sample.float().clamp(-1, 1))
            after_frame()
    return torch.cat(frames)
