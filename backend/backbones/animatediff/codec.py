"""Pictures to what the UNet reads, and back."""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from torch import Tensor

from ...memory.device import working_on
from .components import Components


@torch.no_grad()
def encode_pixels(model: Components, pixels: Tensor) -> Tensor:
    """[F, 3, H, W] in -1..1 to latents [1, 4, F, h, w]: the posterior's mean, frame by frame."""
    with working_on(model.unet.device, model.vae) as vae:
        parts = [vae.encode(frame[None].to(vae.device, vae.dtype)).latent_dist.mean for frame in pixels]
    return (torch.cat(parts) * model.vae.config.scaling_factor).float().transpose(0, 1)[None]


@torch.no_grad()
def decode_latents(
    model: Components,
    latents: Tensor,
    after_frame: Callable[[], None] = lambda: None,
    vae: AutoencoderKL | AutoencoderTiny | None = None,
) -> Tensor:
    """Latents [1, 4, F, h, w] to [F, 3, H, W] in -1..1, frame by frame; by the model's own VAE if no other is given."""
    frames = []
    with working_on(model.unet.device, vae or model.vae) as decoder:
        for latent in (latents[0] / decoder.config.scaling_factor).transpose(0, 1):
            frames.append(decoder.decode(latent[None].to(decoder.device, decoder.dtype)).sample.float().clamp(-1, 1))
            after_frame()
    return torch.cat(frames)
