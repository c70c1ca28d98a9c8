"""The contract of a model family: all that the rest of the program uses of a loaded model.

A backbone encodes text and frames, predicts, decodes, and describes its noise schedule (`schedule`), its attention
(`recording`) and its memory needs. Sampling, motion and jobs use nothing else, so a new family needs only a module of
its own. tests/unit/test_backbones.py runs against every family.
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
from ..models.model_entry import ModelEntry
from ..sampling.noise_schedule import NoiseSchedule

AttentionMaps = dict[str, Tensor]  # layer name -> probabilities [batch, heads, queries, keys], float32
TEMPORAL, SPATIAL, TEXT = "temp", "spatial", "text"  # kinds of attention: between frames, within a frame, to the prompt


@dataclass
class AttentionRecord:
    """The values that attention layers computed in a forward pass, by layer.

    maps: probabilities; [h'*w', heads, F, F] for temporal attention. keys: before the heads are split; [h'*w', F, C]
    for temporal attention, [F, h'*w', C] for spatial attention.
    """

    maps: AttentionMaps = field(default_factory=dict)
    keys: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.maps) + len(self.keys)


class Denoise(Protocol):
    """A function of latents [n, C, F, h, w], timestep and text embeddings [n, L, C'].

    With `text_per_frame` also [n, F, L, C'], one text for each frame. Returns the prediction, in the shape of the
    latents. Prediction and gradient are float32.
    """

    def __call__(self, latents: Tensor, timestep: float, text: Tensor) -> Tensor: ...


class Denoiser(Denoise, Protocol):
    """A `Denoise` that can also predict for two prompts."""

    def pair(self, latents: Tensor, timestep: float, negative: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the predictions for both prompts, computed in one batch if the memory policy allows it."""
        ...


class Backbone(Protocol):
    """A loaded model. notes: sentences for the user about what was ignored while loading."""

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
        """The dtype in which predictions are computed."""
        ...

    @property
    def text_per_frame(self) -> bool:
        """Whether each frame can have a text of its own."""
        ...

    @property
    def latent_scale(self) -> int:
        """The width and height of a latent cell in pixels."""
        ...

    def latent_shape(self, frames: int, size: tuple[int, int]) -> tuple[int, ...]:
        """Returns the shape [1, C, F, h, w] of a clip's latents. size: (H, W) of its frames in pixels."""
        ...

    def embed(self, texts: Sequence[str], clip_skip: int = 1) -> list[Tensor]:
        """Returns the embedding [1, L, C] of each prompt, all of the same length L.

        clip_skip: 1 reads the last layer of the text encoder, 2 the one before it, and so on.
        Raises Problem if a prompt is too long.
        """
        ...

    def token_indices(self, text: str, words: str, where: str) -> list[int]:
        """Returns the indices of the tokens of `words` in `text`, counted from 0.

        where: the name of that text for the error. Raises Problem if the text does not contain the words.
        """
        ...

    def encode(self, pixels: Tensor) -> Tensor:
        """Encodes frames [F, 3, H, W] in -1..1 as latents [1, C, F', h, w], float32."""
        ...

    def decode(self, latents: Tensor, after_frame: Callable[[], None] = lambda: None) -> Tensor:
        """Decodes latents as frames [F, 3, H, W] in -1..1. after_frame: called after each frame."""
        ...

    def decode_preview(self, latents: Tensor) -> Tensor | None:
        """Decodes latents fast and approximately, for a preview. None if the model has no such decoder."""
        ...

    def denoiser(self, controls: Sequence[Any] = (), frames: Sequence[int] | None = None) -> Denoiser:
        """Returns the denoising network as a function.

        controls: from `load_controls`. frames: those of the clip that the latents hold, None for all of them.
        """
        ...

    def load_controls(
        self,
        conditions: Mapping[str, Condition],
        frames: int,
        settings: Settings,
        note: Callable[[str], None] = lambda _: None,
    ) -> tuple[Any, ...]:
        """Loads the controls for a clip of `frames` frames, which may be longer than one context.

        conditions: by kind. note: receives sentences for the user. Raises Problem for an unsuitable control model.
        """
        ...

    def layers(self, kind: str, blocks: Sequence[str]) -> list[str]:
        """Returns the names of the attention layers of a kind (TEMPORAL, SPATIAL, TEXT) in these blocks.

        Without blocks: in the blocks in which the family locates objects. Raises Problem if a block has none.
        """
        ...

    def recording(
        self, layers: Sequence[str] = (), keys: Sequence[str] = (), on_complete: Callable[[], None] = lambda: None
    ) -> AbstractContextManager[AttentionRecord]:
        """Records the probabilities of `layers` and the keys of `keys` in each forward pass within the block.

        on_complete: called when the last of them is recorded. The model is restored at the end, also after an error.
        """
        ...

    @property
    def weight_bytes(self) -> int:
        """The size of the denoising network in bytes."""
        ...

    def memory_needs(self, settings: Settings, frames: int, size: tuple[int, int], controls: int) -> MemoryNeeds:
        """Returns what a take needs. size: (H, W) of its frames in pixels; controls: their number."""
        ...

    def with_policy(self, policy: MemoryPolicy, controls: Sequence[Any] = ()) -> AbstractContextManager[Self]:
        """Applies a memory policy for the duration of the block.

        Raises OutOfMemory if memory runs out within the block.
        """
        ...
