"""Location-aware semantic guidance: the take keeps the looks of an unguided trajectory, region by region.

MotionClone, arXiv:2406.05338v1 to v3; as in the official code.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as functional
from torch import Tensor

from ..backbones.base import TEMPORAL
from .location_masks import EPSILON, Regions


def by_frame(keys: Tensor, kind: str) -> Tensor:
    """Returns keys as [F, positions, C]. The keys of temporal attention come as [positions, F, C]."""
    return keys.transpose(0, 1) if kind == TEMPORAL else keys


def semantic_loss(
    unguided: Mapping[str, Tensor],
    controlled: Mapping[str, Tensor],
    layer_weights: Mapping[str, float],
    kind: str,
    regions: Mapping[str, tuple[Regions, Regions]] | None,
) -> Tensor:
    """Returns the weighted squared distance between the mean keys of the two trajectories: a scalar.

    unguided, controlled: the recorded keys of each layer. kind: of attention, TEMPORAL or SPATIAL. regions: for each
    layer where the unguided and where the controlled trajectory shows the subject; None compares whole frames.
    """
    total = 0.0
    for layer, weight in layer_weights.items():
        keys = [by_frame(trajectory[layer].float(), kind) for trajectory in (unguided, controlled)]
        total = total + weight * _distance(*keys, regions[layer] if regions else None)
    return total


def _distance(unguided: Tensor, controlled: Tensor, regions: tuple[Regions, Regions] | None) -> Tensor:
    """The squared distance between mean keys; unguided and controlled [F, positions, C].

    With regions: foreground plus background. Without: whole frames, and the unguided mean is also over all frames.
    """
    if regions is None:
        mean = unguided.mean((0, 1)).expand(controlled.shape[0], -1)
        return functional.mse_loss(controlled.mean(1), mean)
    of_unguided, of_controlled = regions
    return functional.mse_loss(
        _mean(controlled, of_controlled.foreground), _mean(unguided, of_unguided.foreground)
    ) + functional.mse_loss(_mean(controlled, of_controlled.background), _mean(unguided, of_unguided.background))


def _mean(keys: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean [F, C] over the positions of keys [F, positions, C]; weights [F, positions, 1]."""
    return (keys * weights).sum(1) / (weights.sum(1) + EPSILON)
