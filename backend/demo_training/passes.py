"""What passes of the demo world show: depth, that its ControlNet is trained on, and the subject's mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .world import SIZE, Look, Motion, Scenes, pack, trace


@torch.no_grad()
def shades_of_depth(scenes: Scenes, size: tuple[int, int]) -> Tensor:
    """float [N, F, H, W] for size (H, W): inverse distance, the nearest of each clip 1, the sky 0."""
    traced = trace(scenes, size)
    ground = torch.where(traced.rays[1] < 0, 1 / traced.ground_reach, 0.0)
    subject = torch.where(traced.surface.cover > 0.5, 1 / traced.surface.reach, 0.0)
    nearness = torch.maximum(ground, subject).unflatten(0, scenes.yaw.shape)
    return nearness / nearness.amax((1, 2, 3), keepdim=True)


def draw_depth(
    shape: str, motion: Motion, size: tuple[int, int] = SIZE, frames: Sequence[int] | None = None
) -> np.ndarray:
    """uint8 [F, H, W, 3] for size (H, W): inverse distance, the nearest of the clip white, the sky black."""
    motion = motion if frames is None else motion.of_frames(frames)
    shades = shades_of_depth(pack([_any_look(shape)], [motion]), size)[0]
    return np.repeat((shades * 255 + 0.5).to(torch.uint8).numpy()[..., None], 3, -1)


def draw_mask(shape: str, motion: Motion, size: tuple[int, int] = SIZE) -> np.ndarray:
    """float32 [F, H, W]: the subject's share 0..1 of each pixel."""
    return trace(pack([_any_look(shape)], [motion]), size).surface.cover.numpy()


def _any_look(shape: str) -> Look:
    return Look(shape, "grey", "grey", "grey")
