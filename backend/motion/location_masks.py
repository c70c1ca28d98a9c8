"""Where guidance acts: regions from a mask clip, or guessed from attention to a word of the prompt.

A mask clip [F, h, w] holds the share 0..1 of the subject in each latent cell. Layers see the latents' grid halved a
number of times, rounding up; a layer's position is a place in its grid, row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as functional
from torch import Tensor

EPSILON = 1e-5
SPREAD = 5.0  # cells; sigma of the bell around the subject


def layer_grid(positions: int, latent_size: tuple[int, int]) -> tuple[int, int]:
    """(h', w') of a layer with so many positions, for latents of size (h, w)."""
    h, w = latent_size
    while h * w > positions:
        h, w = (h + 1) // 2, (w + 1) // 2
    if h * w != positions:
        raise ValueError(f"No halving of {latent_size} has {positions} positions")
    return h, w


@dataclass(frozen=True)
class RegionWeights:
    """How strongly guidance acts on the subject and on the rest, by a mask clip [F, h, w]."""

    mask: Tensor
    subject: float
    background: float

    @cached_property
    def latent_weights(self) -> Tensor:
        """[1, 1, F, h, w]: the weight in each latent cell. A mask of ones gives `subject` everywhere, exactly."""
        return (self.background * (1 - self.mask) + self.subject * self.mask)[None, None]

    @property
    def active(self) -> bool:
        """Whether there is any cell in which guidance acts."""
        return bool(self.latent_weights.any())

    def for_layer(self, positions: int) -> Tensor:
        """[positions, F]: the weight at each of a layer's positions, the mean over the cells it covers."""
        grid = layer_grid(positions, tuple(self.mask.shape[-2:]))
        weights = functional.adaptive_avg_pool2d(self.latent_weights[0], grid)
        return weights[0].flatten(1).T


@dataclass(frozen=True)
class Regions:
    """Foreground and background weights of one trajectory, [F, positions, 1] each, on a grid (h', w')."""

    foreground: Tensor
    background: Tensor
    grid: tuple[int, int]

    def at(self, grid: tuple[int, int]) -> Regions:
        """The same regions on another grid: a finer one repeats cells, a coarser one takes their means."""
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
    """Binary [F, positions]: where the prompt's `tokens` are attended to.

    maps: cross-attention probabilities [F, heads, positions, L] of layers of one size. They are averaged over layers,
    heads and tokens, stretched to 0..1 in each frame, and cut at `threshold`.
    """
    mean = torch.stack([m[..., list(tokens)].mean((1, 3)) for m in maps]).mean(0)
    low, high = mean.amin(-1, keepdim=True), mean.amax(-1, keepdim=True)
    return ((mean - low) / (high - low + EPSILON) > threshold).float()


def plain_regions(mask: Tensor, grid: tuple[int, int]) -> Regions:
    """mask [F, positions] and its complement."""
    return Regions(mask[..., None], 1 - mask[..., None], grid)


def centered_regions(mask: Tensor, grid: tuple[int, int]) -> Regions:
    """The mask [F, positions] weighed by a bell at its centroid, and what both leave (method.md, inversion mode, 5)."""
    ys, xs = torch.meshgrid(*(torch.arange(n, device=mask.device) for n in grid), indexing="ij")
    coordinates = torch.stack([ys, xs], -1).flatten(0, 1).float()  # [positions, 2]
    centroid = (mask @ coordinates) / mask.sum(-1, keepdim=True).clamp(min=1)
    distance = (coordinates[None] - centroid[:, None]).pow(2).sum(-1)
    bell = torch.exp(-distance / (2 * SPREAD**2))
    return Regions((mask * bell)[..., None], ((1 - bell) * (1 - mask))[..., None], grid)
