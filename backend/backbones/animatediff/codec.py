"""Pictures to what the UNet reads, and back."""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from torch import Tensor

from ...memory.device import on_device


@torch.no_grad()
def encode_pixels(vae: AutoencoderKL, device: torch.device, pixels: Tensor) -> Tensor:
    """[F, 3, H, W] in -1..1 to latents [1, 4, F, h, w]: the posterior's mean, frame by frame; device: to work on."""
    with on_device(device, vae):
        parts = [vae.encode(frame[None].to(vae.device, vae.dtype)).latent_dist.mean for frame in pixels]
    return (torch.cat(parts) * vae.config.scaling_factor).float().transpose(0, 1)[None]


@torch.no_grad()
def decode_latents(
    vae: AutoencoderKL | AutoencoderTiny,
    device: torch.device,
    latents: Tensor,
    after_frame: Callable[[], None] = lambda: None,
) -> Tensor:
    """Latents [1, 4, F, h, w] to [F, 3, H, W] in -1..1, frame by frame; device: to work on."""
    frames = []
    with on_device(device, vae):
        for latent in (latents[0] / vae.config.scaling_factor).transpose(0, 1):
            frames.append(vae.decode(latent[None].to(vae.device, vae.dtype)).sample.float().clamp(-1, 1))
            after_frame()
    return torch.cat(frames)
