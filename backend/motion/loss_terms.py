"""The loss terms of the inversion method and their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..backbones.base import Backbone


@dataclass(frozen=True, kw_only=True)
class LossTerms:
    """The motion term and the semantic term.

    motion, semantic: the weight of each layer; see `layer_weights`.
    key_kind: the attention whose keys the semantic term compares, TEMPORAL ('temp') or SPATIAL ('spatial').
    objects: the token indices of the object in the inversion prompt and in the prompt; None compares whole frames.
    thresholds: of the estimated masks of the reference and of the unguided trajectory.
    motion_steps: the number of guided steps with the motion term.
    subject: a mask [F, h, w] of the object in the reference, used instead of an estimate.
    """

    motion: dict[str, float]
    semantic: dict[str, float]
    key_kind: str = "temp"
    objects: tuple[list[int], list[int]] | None = None
    thresholds: tuple[float, float] = (0.3, 0.3)
    motion_steps: int = 1000
    subject: Tensor | None = None

    @property
    def located(self) -> bool:
        """Whether the semantic term compares foreground and background separately."""
        return bool(self.semantic) and (self.objects is not None or self.subject is not None)


def layer_weights(model: Backbone, blocks: Sequence[str], weights: Sequence[float], kind: str) -> dict[str, float]:
    """Returns the weight of each layer: its block's weight over the number of layers, so that a term is a mean.

    kind: of attention, TEMPORAL or SPATIAL. Layers of weight 0 are left out. The official code multiplies the loss by
    100 and the weights by 1/100; both factors cancel. Raises Problem if a block has no such attention.
    """
    layers = {layer: weight for block, weight in zip(blocks, weights) for layer in model.layers(kind, [block])}
    return {layer: weight / len(layers) for layer, weight in layers.items() if weight}
