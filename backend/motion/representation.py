"""The motion representation: the largest temporal attention probabilities of one pass over the noised reference clip.

MotionClone, arXiv:2406.05338v4, section "Motion Representation": a single forward pass instead of an inversion, and a
sparse result of a few megabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

from ..backbones.base import TEMPORAL, AttentionMaps, AttentionRecord, Backbone, Denoise


@dataclass(frozen=True)
class MotionRepresentation:
    """The k kept entries of each attention row, by layer: values float32, indices uint8, both [h'*w', heads, F, k]."""

    values: dict[str, Tensor]
    indices: dict[str, Tensor]

    @property
    def layers(self) -> list[str]:
        return list(self.values)

    def tensors(self) -> dict[str, Tensor]:
        """Returns all tensors by flat names, the form in which they are stored."""
        values = {f"{layer}.value": value for layer, value in self.values.items()}
        return values | {f"{layer}.index": index for layer, index in self.indices.items()}

    def to(self, device: torch.device) -> MotionRepresentation:
        """Returns the representation on another device."""
        return self.from_tensors({name: tensor.to(device) for name, tensor in self.tensors().items()})

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> MotionRepresentation:
        """The inverse of `tensors`."""

        def ending(suffix: str) -> dict[str, Tensor]:
            return {name.removesuffix(suffix): t for name, t in tensors.items() if name.endswith(suffix)}

        return cls(ending(".value"), ending(".index"))


class _Stop(Exception):
    """Ends a forward pass early: the remaining layers are not needed."""


def record_pass(
    model: Backbone, run: Callable[[], object], layers: Sequence[str], keys: Sequence[str] = ()
) -> AttentionRecord:
    """Records the attention maps of `layers` and the keys of `keys` in the forward pass that `run` makes.

    The pass ends as soon as all of them are recorded.
    """

    def stop() -> None:
        raise _Stop

    with model.recording(layers, keys, on_complete=stop) as recorded, suppress(_Stop):
        run()
    return recorded


def top_entries(maps: AttentionMaps, top_k: int = 1, diagonal: bool = True) -> MotionRepresentation:
    """Keeps the `top_k` largest entries of each row of `maps` [h'*w', heads, F, F].

    diagonal: whether the attention of a frame to itself may be kept.
    """
    values, indices = {}, {}
    for layer, attention in maps.items():
        frames = attention.shape[-1]
        ranked = attention if diagonal else attention - torch.eye(frames, device=attention.device)
        index = ranked.topk(min(top_k, frames - (not diagonal)), -1).indices
        values[layer] = attention.gather(-1, index)
        indices[layer] = index.to(torch.uint8)
    return MotionRepresentation(values, indices)


@torch.no_grad()
def extract_motion(
    model: Backbone,
    denoise: Denoise,
    reference: Tensor,
    noise: Tensor,
    *,
    timestep: int,
    empty_text: Tensor,
    blocks: Sequence[str],
    top_k: int = 1,
    diagonal: bool = True,
) -> MotionRepresentation:
    """Reads the motion representation of clean `reference` latents [1, C, F, h, w].

    MotionClone, arXiv:2406.05338v4, section "Motion Representation". The latents are noised to `timestep` with `noise`
    (of the same shape), and one pass with the embedding `empty_text` [1, L, C] of the empty prompt reads the temporal
    attention of `blocks`. The pass ends after the last of these layers.

    diagonal: False never keeps the attention of a frame to itself, which carries no motion.
    Raises Problem if a block has no temporal attention.
    """
    noisy = model.schedule.signal(timestep) * reference + model.schedule.noise(timestep) * noise
    layers = model.layers(TEMPORAL, blocks)
    recorded = record_pass(model, lambda: denoise(noisy, timestep, empty_text), layers)
    return top_entries(recorded.maps, top_k, diagonal)
