"""What the rest of the program knows of a model family: everything else about it is behind this contract.

A backbone is a loaded model. It reads text and pictures, predicts, and says how it was trained (`schedule`), what its
attention computes (`recording`) and what it needs of memory. Sampling, motion and jobs ask for nothing else, so that a
further family is one module of its own; tests/unit/test_backbones.py holds every one of them to this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from ..controls.conditions import Condition
from ..job_folder.settings import Settings
from ..memory.policy import MemoryNeeds, MemoryPolicy
from ..models.entry import ModelEntry
from ..sampling.noise_schedule import NoiseSchedule

AttentionMaps = dict[str, Tensor]  # layer name -> probabilities [batch, heads, queries, keys], float32
TEMPORAL, SPATIAL, TEXT = "temp", "spatial", "text"  # kinds of attention: between frames, within one, to the prompt


@dataclass
class AttentionRecord:
    """What attention layers computed in a pass. maps: probabilities, of temporal attention [h'*w', heads, F, F]; keys:
    before heads are split, of temporal attention [h'*w', F, C], of spatial attention [F, h'*w', C]."""

    maps: AttentionMaps = field(default_factory=dict)
    keys: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.maps) + len(self.keys)


class Denoise(Protocol):
    """Latents [n, C, F, h, w], timestep, text [n, L, C'] -> the prediction, of the latents' shape, float32 like its
    gradient."""

    def __call__(self, latents: Tensor, timestep: float, text: Tensor) -> Tensor: ...


class Denoiser(Denoise, Protocol):
    def pair(self, latents: Tensor, timestep: float, negative: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
        """The predictions with both prompts, from one batch if they may be."""
        ...


class Backbone(Protocol):
    """A loaded model. notes: for the user, on what was left out while loading."""

    @property
    def entry(self) -> ModelEntry: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    @property
    def schedule(self) -> NoiseSchedule: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def dtype(self) -> torch.dtype:
        """That predictions are computed in."""
        ...

    @property
    def latent_scale(self) -> int:
        """Pixels to a latent cell, along each side."""
        ...

    def latent_shape(self, frames: int, size: tuple[int, int]) -> tuple[int, ...]:
        """[1, C, F, h, w] of the latents of a clip; size (H, W): of its frames in pixels."""
        ...

    def embed(self, texts: Sequence[str], clip_skip: int = 1) -> list[Tensor]:
        """Prompts to what `denoiser` reads, [1, L, C] each, all of one length. JobError when one is too long."""
        ...

    def token_indices(self, text: str, words: str, where: str) -> list[int]:
        """Where `words` stand among the tokens of `text`, from 0. JobError when they do not; where: names that text."""
        ...

    def encode(self, pixels: Tensor) -> Tensor:
        """[F, 3, H, W] in -1..1 to latents [1, C, F', h, w], float32."""
        ...

    def decode(self, latents: Tensor, after_frame: Callable[[], None] = lambda: None) -> Tensor:
        """Latents to [F, 3, H, W] in -1..1."""
        ...

    def decode_preview(self, latents: Tensor) -> Tensor | None:
        """As `decode`, roughly, for a preview; None where there is no quick way."""
        ...

    def denoiser(self, controls: Sequence[Any] = ()) -> Denoiser:
        """controls: of `load_controls`."""
        ...

    def load_controls(
        self,
        conditions: Mapping[str, Condition],
        frames: int,
        settings: Settings,
        note: Callable[[str], None] = lambda _: None,
    ) -> tuple[Any, ...]:
        """For a clip of so many frames. JobError names a file or folder that is wrong."""
        ...

    def layers(self, kind: str, blocks: Sequence[str]) -> list[str]:
        """Names of the attention layers of a kind (TEMPORAL, SPATIAL, TEXT) in these blocks; without blocks, in those
        that the family locates objects with. JobError names a block that has none."""
        ...

    def recording(
        self, layers: Sequence[str] = (), keys: Sequence[str] = (), on_complete: Callable[[], None] = lambda: None
    ) -> AbstractContextManager[AttentionRecord]:
        """Within the block, each pass puts the probabilities of `layers` and the keys of `keys` into what it yields.
        when_complete is called when the last of them has come. The model is put back as it was, also after an error."""
        ...

    @property
    def weight_bytes(self) -> int:
        """Of the network that predicts."""
        ...

    def memory_needs(self, settings: Settings, frames: int, size: tuple[int, int], controls: int) -> MemoryNeeds: ...

    def with_policy(self, policy: MemoryPolicy, controls: Sequence[Any] = ()) -> AbstractContextManager[Self]:
        """The model as the policy wants it for as long as the block lasts. OutOfMemory when memory runs out within."""
        ...
