"""Render passes of the demo world: depth and lines, for training its control models, and the subject's mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .world import SIZE, Look, Motion, Scenes, pack, trace

SHARP = 0.3  # the smallest change from pixel to pixel that is an edge; a round surface changes less


@torch.no_grad()
def shades_of_depth(scenes: Scenes, size: tuple[int, int]) -> Tensor:
    """float [N, F, H, W] for size (H, W): inverse distance, 1 at the nearest point of each clip and 0 in the sky."""
    traced = trace(scenes, size)
    ground = torch.where(traced.rays[1] < 0, 1 / traced.ground_reach, 0.0)
    subject = torch.where(traced.surface.cover > 0.5, 1 / traced.surface.reach, 0.0)
    nearness = torch.maximum(ground, subject).unflatten(0, scenes.yaw.shape)
    return nearness / nearness.amax((1, 2, 3), keepdim=True)


@torch.no_grad()
def lines(scenes: Scenes, size: tuple[int, int]) -> Tensor:
    """float [N, F, H, W] for size (H, W): 1 on the outlines and edges of the subject and on the horizon, as one would
    sketch them, 0 elsewhere."""
    traced = trace(scenes, size)
    cover = traced.surface.cover
    fields = torch.stack([cover, traced.ground * (1 - cover), *(n * cover for n in traced.surface.normal)], 1)
    steps = [functional.pad(fields.diff(dim=-1), (0, 1)), functional.pad(fields.diff(dim=-2), (0, 0, 0, 1))]
    sharp = torch.stack(steps).abs().amax((0, 2)) > SHARP
    return functional.max_pool2d(sharp.float(), 2, 1, 1)[..., :-1, :-1].unflatten(0, scenes.yaw.shape)


def draw_depth(
    shape: str, motion: Motion, size: tuple[int, int] = SIZE, frames: Sequence[int] | None = None
) -> np.ndarray:
    """uint8 [F, H, W, 3] for size (H, W): inverse distance, white at the nearest point of the clip and black in the
    sky."""
    motion = motion if frames is None else motion.of_frames(frames)
    shades = shades_of_depth(pack([_any_look(shape)], [motion]), size)[0]
    return np.repeat((shades * 255 + 0.5).to(torch.uint8).numpy()[..., None], 3, -1)


def draw_mask(shape: str, motion: Motion, size: tuple[int, int] = SIZE) -> np.ndarray:
    """float32 [F, H, W]: the subject's share of each pixel, 0..1."""
    return trace(pack([_any_look(shape)], [motion]), size).surface.cover.numpy()


def _any_look(shape: str) -> Look:
    return Look(shape, "grey", "grey", "grey")
