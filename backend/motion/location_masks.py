"""Where guidance acts: regions from a mask clip, or estimated from the cross-attention to a word of the prompt.

A mask clip [F, h, w] holds how much of each latent cell the subject covers, from 0 to 1. Each layer works on the grid
of the latents halved a number of times, rounded up. Its positions are the cells of that grid, row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as functional
from torch import Tensor

EPSILON = 1e-5
SIGMA = 5.0  # cells: of the Gaussian around the subject, as in the official code


def layer_grid(positions: int, latent_size: tuple[int, int]) -> tuple[int, int]:
    """Returns the grid (h', w') of a layer with `positions` positions, for latents of size (h, w).

    Raises ValueError if no number of halvings gives that many positions.
    """
    h, w = latent_size
    while h * w > positions:
        h, w = (h + 1) // 2, (w + 1) // 2
    if h * w != positions:
        raise ValueError(f"No halving of {latent_size} has {positions} positions")
    return h, w


@dataclass(frozen=True)
class RegionWeights:
    """How strongly guidance acts on the subject and on the background of a mask clip [F, h, w]."""

    mask: Tensor
    subject: float
    background: float

    @cached_property
    def latent_weights(self) -> Tensor:
        """The weight of each latent cell, [1, 1, F, h, w]. Where the mask is 1 it is exactly `subject`."""
        return (self.background * (1 - self.mask) + self.subject * self.mask)[None, None]

    @property
    def active(self) -> bool:
        """Whether guidance acts in any cell."""
        return bool(self.latent_weights.any())

    def for_layer(self, positions: int) -> Tensor:
        """Returns the weights [positions, F] of a layer: of each position the mean over the cells that it covers."""
        grid = layer_grid(positions, tuple(self.mask.shape[-2:]))
        weights = functional.adaptive_avg_pool2d(self.latent_weights[0], grid)
        return weights[0].flatten(1).T


@dataclass(frozen=True)
class Regions:
    """The foreground and background weights of one trajectory, [F, positions, 1] each, on a grid (h', w')."""

    foreground: Tensor
    background: Tensor
    grid: tuple[int, int]

    def at(self, grid: tuple[int, int]) -> Regions:
        """Returns the same regions on another grid: nearest neighbors on a finer grid, means on a coarser one."""
        if grid == self.grid:
            return self

        def resize(weights: Tensor) -> Tensor:
            picture = weights.transpose(1, 2).unflatten(2, self.grid)
            if grid > self.grid:
                picture = functional.interpolate(picture, grid, mode="nearest")
            else:
                picture = functional.adaptive_avg_pool2d(picture, grid)
            return picture.flatten(2).transpose(1, 2)

        return Regions(resize(self.foreground), resize(self.background), grid)


def object_mask(maps: Sequence[Tensor], tokens: Sequence[int], threshold: float) -> Tensor:
    """Returns a binary mask [F, positions] of where the model attends to the prompt's `tokens`.

    maps: cross-attention probabilities [F, heads, positions, L] of layers of the same size. Their mean over layers,
    heads and tokens is scaled to 0..1 in each frame and compared with `threshold`.
    """
    mean = torch.stack([m[..., list(tokens)].mean((1, 3)) for m in maps]).mean(0)
    low, high = mean.amin(-1, keepdim=True), mean.amax(-1, keepdim=True)
    return ((mean - low) / (high - low + EPSILON) > threshold).float()


def plain_regions(mask: Tensor, grid: tuple[int, int]) -> Regions:
    """Returns the mask [F, positions] as foreground and its complement as background."""
    return Regions(mask[..., None], 1 - mask[..., None], grid)


def centered_regions(mask: Tensor, grid: tuple[int, int]) -> Regions:
    """Returns foreground and background of a mask [F, positions], softened by a Gaussian at the mask's centroid.

    foreground = mask * gaussian, background = (1 - mask) * (1 - gaussian); as in the official code.
    """
    ys, xs = torch.meshgrid(*(torch.arange(n, device=mask.device) for n in grid), indexing="ij")
    coordinates = torch.stack([ys, xs], -1).flatten(0, 1).float()  # [positions, 2]
    centroid = (mask @ coordinates) / mask.sum(-1, keepdim=True).clamp(min=1)
    distance = (coordinates[None] - centroid[:, None]).pow(2).sum(-1)
    gaussian = torch.exp(-distance / (2 * SIGMA**2))
    return Regions((mask * gaussian)[..., None], ((1 - gaussian) * (1 - mask))[..., None], grid)
