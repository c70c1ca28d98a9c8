"""Location-aware semantic guidance: the controlled trajectory keeps the looks of the unguided one, region by region."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as functional
from torch import Tensor

from ..backbones.base import TEMPORAL
from .location_masks import EPSILON, Regions


def by_frame(keys: Tensor, kind: str) -> Tensor:
    """Keys as [F, positions, C]: those of temporal attention come as [positions, F, C]."""
    return keys.transpose(0, 1) if kind == TEMPORAL else keys


def semantic_loss(
    unguided: Mapping[str, Tensor],
    controlled: Mapping[str, Tensor],
    layer_weights: Mapping[str, float],
    kind: str,
    regions: Mapping[str, tuple[Regions, Regions]] | None,
) -> Tensor:
    """Weighted distance between mean keys of the two trajectories: scalar.

    unguided, controlled: layer -> keys as recorded; kind 'temp' or 'spatial'; regions: layer -> where the unguided and
    where the controlled trajectory shows the subject, or None to compare whole frames.
    """
    total = 0.0
    for layer, weight in layer_weights.items():
        ours, theirs = by_frame(controlled[layer].float(), kind), by_frame(unguided[layer].float(), kind)
        total = total + weight * _distance(theirs, ours, regions[layer] if regions else None)
    return total


def _distance(unguided: Tensor, controlled: Tensor, regions: tuple[Regions, Regions] | None) -> Tensor:
    """Keys [F, positions, C] each. Without regions the unguided mean is over the frames too."""
    if regions is None:
        mean = unguided.mean((0, 1)).expand(controlled.shape[0], -1)
        return functional.mse_loss(controlled.mean(1), mean)
    of_unguided, of_controlled = regions
    return functional.mse_loss(
        _mean(controlled, of_controlled.foreground), _mean(unguided, of_unguided.foreground)
    ) + functional.mse_loss(_mean(controlled, of_controlled.background), _mean(unguided, of_unguided.background))


def _mean(keys: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over positions: keys [F, positions, C], weights [F, positions, 1] -> [F, C]."""
    return (keys * weights).sum(1) / (weights.sum(1) + EPSILON)
