"""A second model family behind the `Backbone` contract: a tiny random Wan, text to video, plain sampling."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from diffusers.models.transformers.transformer_wan import WanTransformerBlock
from torch import Tensor, nn

from backend.backbones.base import AttentionRecord
from backend.controls.conditions import Condition
from backend.job_folder.problem import Problem
from backend.job_folder.settings import Settings
from backend.memory.policy import MemoryPolicy, apply_policy, parameter_bytes
from backend.models.model_entry import ModelEntry
from backend.sampling.noise_schedule import FlowMatching

TEXT_WIDTH, TEXT_LENGTH = 16, 24
FRAMES_TO_A_LATENT = 4
SHIFT = 3.0
HELD = 40  # numbers of one latent cell's row that a block holds; a guess, since nobody counts the toy
KINDS: dict[str, tuple[type, ...]] = {
    "nothing": (),
    "transformers": (WanTransformerBlock,),
    "layers": (WanTransformerBlock,),
}


class ToyDenoiser:
    """The transformer as a function of latents, timestep and text. It predicts the velocity."""

    def __init__(self, transformer: WanTransformer3DModel, separate_prompts: bool):
        self._transformer, self._separate_prompts = transformer, separate_prompts

    def __call__(self, latents: Tensor, timestep: float, text: Tensor) -> Tensor:
        t = torch.full((len(latents),), timestep, device=latents.device)
        dtype = self._transformer.dtype
        return self._transformer(latents.to(dtype), t, text.to(dtype), return_dict=False)[0].float()

    def pair(self, latents: Tensor, timestep: float, negative: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
        if self._separate_prompts:
            return self(latents, timestep, negative), self(latents, timestep, positive)
        both = self(torch.cat([latents, latents]), timestep, torch.cat([negative, positive]))
        return both[:1], both[1:]


@dataclass(frozen=True)
class ToyNeeds:
    cells: int
    movable_bytes: int = 0
    decoding_bytes: int = 0

    def sampling(self, policy: MemoryPolicy) -> int:
        return self.cells * HELD * {"nothing": 8, "transformers": 4, "layers": 2}[policy.recompute]


@dataclass(frozen=True)
class ToyWan:
    transformer: WanTransformer3DModel
    vae: AutoencoderKLWan
    letters: nn.Embedding  # in the place of a text encoder
    entry: ModelEntry
    separate_prompts: bool = False
    notes: tuple[str, ...] = ()

    schedule = FlowMatching(SHIFT)
    latent_scale = 8

    @property
    def device(self) -> torch.device:
        return self.transformer.device

    @property
    def dtype(self) -> torch.dtype:
        return self.transformer.dtype

    @property
    def text_per_frame(self) -> bool:
        return False

    @property
    def weight_bytes(self) -> int:
        return parameter_bytes(self.transformer)

    def latent_shape(self, frames: int, size: tuple[int, int]) -> tuple[int, ...]:
        channels, h, w = self.transformer.config.in_channels, *(side // self.latent_scale for side in size)
        return 1, channels, (frames - 1) // FRAMES_TO_A_LATENT + 1, h, w

    @torch.no_grad()
    def embed(self, texts: Sequence[str], clip_skip: int = 1) -> list[Tensor]:
        if any(len(text.encode()) > TEXT_LENGTH for text in texts):
            raise Problem(f"The prompt is longer than {TEXT_LENGTH} letters.", "Shorten it.")
        padded = [text.encode().ljust(TEXT_LENGTH, b"\0") for text in texts]
        return [self.letters(torch.tensor(list(letters), device=self.device))[None] for letters in padded]

    def token_indices(self, text: str, words: str, where: str) -> list[int]:
        if (start := text.encode().find(words.encode())) < 0:
            raise Problem(f"The object {words!r} is not in the {where}, {text!r}.", "Use a word of it.")
        return list(range(start, start + len(words.encode())))

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        mean, deviation = self._statistics()
        found = self.vae.encode(pixels.transpose(0, 1)[None].to(self.device)).latent_dist.mean
        return (found - mean) / deviation

    @torch.no_grad()
    def decode(self, latents: Tensor, after_frame: Callable[[], None] = lambda: None) -> Tensor:
        mean, deviation = self._statistics()
        frames = self.vae.decode(latents * deviation + mean).sample[0].transpose(0, 1).clamp(-1, 1)
        for _ in frames:
            after_frame()
        return frames

    def decode_preview(self, latents: Tensor) -> Tensor | None:
        return None

    def denoiser(self, controls: Sequence[Any] = (), frames: Sequence[int] | None = None) -> ToyDenoiser:
        return ToyDenoiser(self.transformer, self.separate_prompts)

    def load_controls(
        self, conditions: Mapping[str, Condition], frames: int, settings: Settings, note: Any = None
    ) -> tuple[Any, ...]:
        if conditions:
            raise Problem("This model takes no pictures and no depth.", "Remove them from the job.")
        return ()

    def layers(self, kind: str, blocks: Sequence[str] = ()) -> list[str]:
        raise Problem("This model's attention cannot be guided.", "Set motion_weight to 0.")

    @contextmanager
    def recording(
        self, layers: Sequence[str] = (), keys: Sequence[str] = (), on_complete: Callable[[], None] = lambda: None
    ) -> Iterator[AttentionRecord]:
        yield AttentionRecord()

    def memory_needs(self, settings: Settings, frames: int, size: tuple[int, int], controls: int) -> ToyNeeds:
        return ToyNeeds(torch.Size(self.latent_shape(frames, size)).numel())

    @contextmanager
    def with_policy(self, policy: MemoryPolicy, controls: Sequence[Any] = ()) -> Iterator[ToyWan]:
        recompute = KINDS[policy.recompute]
        with apply_policy(policy, self.transformer, KINDS["layers"], recompute, [self.vae], self.vae):
            yield replace(self, separate_prompts=policy.separate_prompts)

    def _statistics(self) -> tuple[Tensor, Tensor]:
        config = self.vae.config
        given = (config.latents_mean, config.latents_std)
        return tuple(torch.tensor(values, device=self.device).view(1, -1, 1, 1, 1) for values in given)


def build(entry: ModelEntry) -> ToyWan:
    torch.manual_seed(0)
    transformer = WanTransformer3DModel(
        num_attention_heads=2, attention_head_dim=12, text_dim=TEXT_WIDTH, freq_dim=16, ffn_dim=32, num_layers=2
    )
    vae = AutoencoderKLWan(base_dim=8, dim_mult=[1, 1, 1, 1], num_res_blocks=1)
    parts = [part.eval().requires_grad_(False) for part in (transformer, vae, nn.Embedding(256, TEXT_WIDTH))]
    return ToyWan(*parts, entry)
