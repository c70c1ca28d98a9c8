"""The UNet as a plain function of latents, timestep and text."""

from __future__ import annotations

import torch
from diffusers import UNetMotionModel
from torch import Tensor


class Denoiser:
    """Predicts noise: latents [n, 4, F, h, w], text [n, L, C] -> [n, 4, F, h, w]."""

    def __init__(self, unet: UNetMotionModel):
        self.unet = unet

    def __call__(self, latents: Tensor, timestep: int, text: Tensor) -> Tensor:
        per_frame = text.repeat_interleave(latents.shape[2], 0)  # diffusers wants the prompt once for each frame
        return self.unet(latents, timestep, per_frame, return_dict=False)[0]

    def pair(self, latents: Tensor, timestep: int, negative: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
        """The predictions with the negative and the positive prompt, from one batch."""
        both = self(torch.cat([latents, latents]), timestep, torch.cat([negative, positive]))
        return both[:1], both[1:]
