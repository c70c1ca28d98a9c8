"""The UNet as a plain function of latents, timestep and text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from diffusers import UNetMotionModel
from torch import Tensor

# What a control adds to the outputs of the down blocks and of the mid block, each [n * F, c, h', w'].
Residuals = tuple[Sequence[Tensor], Tensor]
# Latents [n, 4, F, h, w], timestep, text once for each frame [n * F, L, C] -> residuals; None where it is not active.
Control = Callable[[Tensor, int, Tensor], Residuals | None]


class Denoiser:
    """Predicts noise: latents [n, 4, F, h, w], text [n, L, C] -> [n, 4, F, h, w]. Controls add to the UNet's inside.

    The UNet and the controls compute in the UNet's precision; predictions, and gradients at float32 latents, come in
    float32.
    """

    def __init__(self, unet: UNetMotionModel, controls: Sequence[Control] = (), separate_prompts: bool = False):
        """pair_apart: a pair's predictions are made one after the other, in half the memory."""
        self.unet, self.controls, self.separate_prompts = unet, controls, separate_prompts

    def __call__(self, latents: Tensor, timestep: int, text: Tensor) -> Tensor:
        precision = next(self.unet.parameters()).dtype  # unet.dtype would first go through every module of it
        latents, text = latents.to(precision), text.to(precision)
        per_frame = text.repeat_interleave(latents.shape[2], 0)  # diffusers wants the prompt once for each frame
        added = self._residuals(latents, timestep, per_frame)
        return self.unet(latents, timestep, per_frame, return_dict=False, **added)[0].float()

    def pair(self, latents: Tensor, timestep: int, negative: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
        """The predictions with the negative and the positive prompt, from one batch if they may be."""
        if self.separate_prompts:
            return self(latents, timestep, negative), self(latents, timestep, positive)
        both = self(torch.cat([latents, latents]), timestep, torch.cat([negative, positive]))
        return both[:1], both[1:]

    @torch.no_grad()  # no gradient flows through the controls: they cost as much as the UNet's down half
    def _residuals(self, latents: Tensor, timestep: int, per_frame: Tensor) -> dict[str, tuple[Tensor, ...] | Tensor]:
        """The controls' residuals, summed, as the UNet takes them; nothing at all when no control is active."""
        said = [added for control in self.controls if (added := control(latents, timestep, per_frame)) is not None]
        if not said:
            return {}
        downs, mids = zip(*said, strict=True)
        return {
            "down_block_additional_residuals": tuple(sum(parts) for parts in zip(*downs, strict=True)),
            "mid_block_additional_residual": sum(mids),
        }
