"""What the inversion method pulls at, and how strongly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..backbones.base import Backbone


@dataclass(frozen=True, kw_only=True)
class LossTerms:
    """The motion and the semantic term.

    motion, semantic: layer -> its weight (a block's weight over the number of layers, so that terms are means);
    key_kind: 'temp' or 'spatial'; objects: token places of the object in the inversion prompt and in the prompt, or
    None; thresholds: of the two guessed masks; motion_steps: guided steps in which the motion term counts;
    subject: mask [F, h, w] of the reference's object, which then is not guessed.
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
        return bool(self.semantic) and (self.objects is not None or self.subject is not None)


def layer_weights(model: Backbone, blocks: Sequence[str], weights: Sequence[float], kind: str) -> dict[str, float]:
    """Each layer's share in a mean over the layers of `blocks`, times its block's weight; none for a weight of 0.

    kind: 'temp' for temporal, 'spatial' for spatial self-attention. method.md's factors 100 and 1/100 cancel.
    """
    layers = {layer: weight for block, weight in zip(blocks, weights) for layer in model.layers(kind, [block])}
    return {layer: weight / len(layers) for layer, weight in layers.items() if weight}
