"""The UNet as a plain function of latents, timestep and text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from diffusers import UNetMotionModel
from torch import Tensor

# What a control adds to the outputs of the down blocks and of the mid block, [n * F, c, h', w'] each.
Residuals = tuple[Sequence[Tensor], Tensor]


class Control(Protocol):
    """What conditions the UNet on pictures."""

    def __call__(self, latents: Tensor, timestep: int, text: Tensor) -> Residuals | None:
        """Returns the residuals, None if the control is not active. latents: [n, 4, F, h, w]; text: the embedding of
        each frame [n * F, L, C]."""
        ...

    def part(self, frames: Sequence[int]) -> Control | None:
        """Returns the control of these frames of the clip, None if it has nothing for them."""
        ...


class Denoiser:
    """Predicts the noise [n, 4, F, h, w] of latents [n, 4, F, h, w] for text embeddings [n, L, C] or [n, F, L, C].

    UNet and controls compute in the UNet's precision. Predictions are float32, as are gradients at float32 latents.
    """

    def __init__(self, unet: UNetMotionModel, controls: Sequence[Control] = (), separate_prompts: bool = False):
        """separate_prompts: `pair` does not batch its predictions, which halves the memory."""
        self.unet, self.controls, self.separate_prompts = unet, controls, separate_prompts

    def __call__(self, latents: Tensor, timestep: int, text: Tensor) -> Tensor:
        precision = next(self.unet.parameters()).dtype  # unet.dtype would go through all modules first
        latents, text = latents.to(precision), text.to(precision)
        # diffusers expects the text of each frame
        per_frame = text.flatten(0, 1) if text.ndim == 4 else text.repeat_interleave(latents.shape[2], 0)
        added = self._residuals(latents, timestep, per_frame)
        return self.unet(latents, timestep, per_frame, return_dict=False, **added)[0].float()

    def pair(self, latents: Tensor, timestep: int, negative: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the predictions for both prompts, in one batch unless `separate_prompts` is set."""
        if self.separate_prompts:
            return self(latents, timestep, negative), self(latents, timestep, positive)
        if positive.ndim == 4:
            negative = negative[:, None].expand_as(positive)
        both = self(torch.cat([latents, latents]), timestep, torch.cat([negative, positive]))
        return both[:1], both[1:]

    @torch.no_grad()  # no gradient flows through the controls: they cost as much as the UNet's down half
    def _residuals(self, latents: Tensor, timestep: int, per_frame: Tensor) -> dict[str, tuple[Tensor, ...] | Tensor]:
        """Returns the sum of the controls' residuals as the UNet's arguments, empty if no control is active."""
        residuals = [added for control in self.controls if (added := control(latents, timestep, per_frame)) is not None]
        if not residuals:
            return {}
        downs, mids = zip(*residuals, strict=True)
        return {
            "down_block_additional_residuals": tuple(sum(parts) for parts in zip(*downs, strict=True)),
            "mid_block_additional_residual": sum(mids),
        }
