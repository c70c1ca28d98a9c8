"""The motion representation: the largest temporal attention probabilities of one noised pass over the reference clip.

MotionClone, arXiv:2406.05338 v4: no inversion, one forward pass, a sparse result of a few megabytes.
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
    """Per layer the k kept entries of each attention row: values float32, indices uint8, both [h'*w', heads, F, k]."""

    values: dict[str, Tensor]
    indices: dict[str, Tensor]

    @property
    def layers(self) -> list[str]:
        return list(self.values)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors under flat names, as they are stored."""
        values = {f"{layer}.value": value for layer, value in self.values.items()}
        return values | {f"{layer}.index": index for layer, index in self.indices.items()}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> MotionRepresentation:
        def ending(suffix: str) -> dict[str, Tensor]:
            return {name.removesuffix(suffix): t for name, t in tensors.items() if name.endswith(suffix)}

        return cls(ending(".value"), ending(".index"))


class _Stop(Exception):
    """Leaves a forward pass whose rest is not needed."""


def record_pass(
    model: Backbone, run: Callable[[], object], layers: Sequence[str], keys: Sequence[str] = ()
) -> AttentionRecord:
    """What `layers` and `keys` compute in the pass that `run` makes, which is stopped right after the last of them."""

    def stop() -> None:
        raise _Stop

    with model.recording(layers, keys, on_complete=stop) as recorded, suppress(_Stop):
        run()
    return recorded


def top_entries(maps: AttentionMaps, top_k: int = 1, diagonal: bool = True) -> MotionRepresentation:
    """The `top_k` largest entries of each attention row, without a frame's attention to itself if not `diagonal`."""
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
    """Reads the motion of `reference` latents [1, C, F, h, w] at `timestep`.

    The pass uses the empty prompt's embedding and stops right after the last recorded attention. With `diagonal` off,
    a frame's attention to itself, which says nothing of motion, is never kept.
    """
    noisy = model.schedule.signal(timestep) * reference + model.schedule.noise(timestep) * noise
    layers = model.layers(TEMPORAL, blocks)
    recorded = record_pass(model, lambda: denoise(noisy, timestep, empty_text), layers)
    return top_entries(recorded.maps, top_k, diagonal)
