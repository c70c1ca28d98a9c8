"""Gives diffusers' motion modules the GroupNorm that AnimateDiff's weights were trained with.

AnimateDiff's official code normalizes each frame alone. diffusers' `AnimateDiffTransformer3D` normalizes over all
frames together, and the same weights then give a visibly different noise prediction (up to 60 % of the output's scale).
The norm modules are replaced by modules that share their parameters, which costs nothing and can be undone.
"""

from __future__ import annotations

import torch
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D
from torch import nn


class PerFrameGroupNorm(nn.GroupNorm):
    """GroupNorm of [batch, channels, frames, height, width] with the statistics of each frame."""

    @classmethod
    def sharing(cls, norm: nn.GroupNorm) -> PerFrameGroupNorm:
        """Returns a per-frame norm with the parameters of `norm`."""
        shared = cls(norm.num_groups, norm.num_channels, norm.eps, device="meta")
        shared.weight, shared.bias = norm.weight, norm.bias
        return shared

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        batch = input.shape[0]
        frames = input.transpose(1, 2).flatten(0, 1)
        return super().forward(frames).unflatten(0, (batch, -1)).transpose(1, 2)


def normalize_each_frame(unet: nn.Module) -> None:
    """Makes every motion module of `unet` normalize each frame alone (tests/reference/forward.safetensors)."""
    for module in unet.modules():
        if isinstance(module, AnimateDiffTransformer3D) and not isinstance(module.norm, PerFrameGroupNorm):
            module.norm = PerFrameGroupNorm.sharing(module.norm)


def normalize_all_frames(unet: nn.Module) -> None:
    """Undoes `normalize_each_frame`: diffusers' own behavior, with the same parameters."""
    for module in unet.modules():
        if isinstance(module, AnimateDiffTransformer3D) and isinstance(module.norm, PerFrameGroupNorm):
            norm = nn.GroupNorm(module.norm.num_groups, module.norm.num_channels, module.norm.eps, device="meta")
            norm.weight, norm.bias = module.norm.weight, module.norm.bias
            module.norm = norm
