"""Gives diffusers' motion modules the GroupNorm that AnimateDiff's weights were trained with.

AnimateDiff normalises each frame alone; diffusers' `AnimateDiffTransformer3D` normalises over all frames together, and
the same weights then give a visibly different noise prediction (up to 60 % of the output's scale). The adaptation swaps
the norm modules for ones that share their parameters, so it costs nothing and can be taken back.
"""

from __future__ import annotations

import torch
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D
from torch import nn


class PerFrameGroupNorm(nn.GroupNorm):
    """GroupNorm of `[batch, channels, frames, height, width]` with statistics of each frame alone."""

    @classmethod
    def sharing(cls, norm: nn.GroupNorm) -> PerFrameGroupNorm:
        shared = cls(norm.num_groups, norm.num_channels, norm.eps, device="meta")
        shared.weight, shared.bias = norm.weight, norm.bias
        return shared

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        batch = input.shape[0]
        frames = input.transpose(1, 2).flatten(0, 1)
        return super().forward(frames).unflatten(0, (batch, -1)).transpose(1, 2)


def normalize_each_frame(unet: nn.Module) -> None:
    """Per-frame statistics in every motion module of `unet` (method.md's trap; forward.safetensors decides)."""
    for module in unet.modules():
        if isinstance(module, AnimateDiffTransformer3D) and not isinstance(module.norm, PerFrameGroupNorm):
            module.norm = PerFrameGroupNorm.sharing(module.norm)


def normalize_all_frames(unet: nn.Module) -> None:
    """Takes `normalise_each_frame` back: diffusers' own behaviour, with the very same parameters."""
    for module in unet.modules():
        if isinstance(module, AnimateDiffTransformer3D) and isinstance(module.norm, PerFrameGroupNorm):
            norm = nn.GroupNorm(module.norm.num_groups, module.norm.num_channels, module.norm.eps, device="meta")
            norm.weight, norm.bias = module.norm.weight, module.norm.bias
            module.norm = norm
