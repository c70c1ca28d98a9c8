"""AnimateDiff as a `Backbone` (see backbones.base), loaded from the files that a model entry names.

Only local files are read, and no code in them is executed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, DDIMScheduler, UNetMotionModel
from safetensors import SafetensorError
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from ...controls.conditions import Condition
from ...job_folder.problem import Problem
from ...job_folder.settings import Settings
from ...memory.device import has_fused_attention, is_out_of_memory
from ...memory.policy import MemoryPolicy, apply_policy, parameter_bytes
from ...models.model_entry import ModelEntry
from ...models.vocabulary import tokenizer_folder
from ...sampling.noise_schedule import VariancePreserving
from ..base import AttentionRecord
from .codec import decode_latents, encode_pixels
from .controls import load_controls
from .denoise import Control, Denoiser
from .frame_norm import normalize_each_frame
from .memory_needs import KINDS, LAYERS, ModelShape, TakeNeeds, up_block
from .recorder import BLOCK, attention_layers, recording
from .text import embed_texts
from .tokens import load_tokenizer, token_indices
from .weights.embeddings import check_width, load_embeddings
from .weights.lora import add_deltas, lora_deltas
from .weights.modules import empty_unet, fill, load_text_encoder, load_tiny_vae, load_vae
from .weights.motion_module import unet_sources
from .weights.sd15 import animatediff_alphas
from .weights.sources import LOCAL, check_scheduler, notes_on_base

# Loading is short; the progress bars of diffusers would only break up the job's own progress lines.
diffusers.utils.logging.disable_progress_bar()


@dataclass(frozen=True)
class AnimateDiff:
    """Stable Diffusion 1.5 with AnimateDiff's motion modules, loaded (Guo et al., arXiv:2307.04725).

    alphas: the cumulative alphas [T] of the noise schedule. tiny_vae: for previews, None if the entry names none.
    embeddings: the vectors [n, C] of textual inversions, by name. notes: for the user, on what was ignored.
    separate_prompts: see memory.policy. loaded_controls: see controls.
    """

    entry: ModelEntry
    vae: AutoencoderKL
    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    unet: UNetMotionModel
    alphas: Tensor
    tiny_vae: AutoencoderTiny | None = None
    embeddings: dict[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    separate_prompts: bool = False
    loaded_controls: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def schedule(self) -> VariancePreserving:
        return VariancePreserving(self.alphas)

    @property
    def device(self) -> torch.device:
        return next(self.unet.parameters()).device  # unet.device would go through all modules first

    @property
    def dtype(self) -> torch.dtype:
        return next(self.unet.parameters()).dtype

    @property
    def latent_scale(self) -> int:
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    def latent_shape(self, frames: int, size: tuple[int, int]) -> tuple[int, ...]:
        return (1, self.unet.config.in_channels, frames, *(side // self.latent_scale for side in size))

    def embed(self, texts: Sequence[str], clip_skip: int = 1) -> list[Tensor]:
        return embed_texts(self, texts, clip_skip)

    def token_indices(self, text: str, words: str, where: str) -> list[int]:
        return token_indices(self.tokenizer, text, words, where, self.embeddings)

    def encode(self, pixels: Tensor) -> Tensor:
        return encode_pixels(self.vae, self.device, pixels)

    def decode(self, latents: Tensor, after_frame: Callable[[], None] = lambda: None) -> Tensor:
        return decode_latents(self.vae, self.device, latents, after_frame)

    def decode_preview(self, latents: Tensor) -> Tensor | None:
        return decode_latents(self.tiny_vae, self.device, latents) if self.tiny_vae else None

    def denoiser(self, controls: Sequence[Control] = (), frames: Sequence[int] | None = None) -> Denoiser:
        chosen = controls if frames is None else [part for one in controls if (part := one.part(frames))]
        return Denoiser(self.unet, chosen, self.separate_prompts)

    def load_controls(
        self,
        conditions: Mapping[str, Condition],
        frames: int,
        settings: Settings,
        note: Callable[[str], None] = lambda _: None,
    ) -> tuple[Control, ...]:
        return load_controls(self, conditions, frames, settings, note)

    def layers(self, kind: str, blocks: Sequence[str] = ()) -> list[str]:
        return attention_layers(self.unet, kind, blocks or [BLOCK])

    def recording(
        self, layers: Sequence[str] = (), keys: Sequence[str] = (), on_complete: Callable[[], None] = lambda: None
    ) -> AbstractContextManager[AttentionRecord]:
        return recording(self.unet, layers, keys, on_complete)

    def memory_needs(self, settings: Settings, frames: int, size: tuple[int, int], controls: int) -> TakeNeeds:
        s, heads = settings, self.unet.config.num_attention_heads
        shape = ModelShape(
            width=self.unet.config.block_out_channels[0],
            number_bytes=self.dtype.itemsize,
            latent_scale=self.latent_scale,
            movable_bytes=parameter_bytes(self.text_encoder) + parameter_bytes(self.vae)
            if self.device.type != "cpu"
            else 0,
            heads=heads if isinstance(heads, int) else heads[0],
            fused=has_fused_attention(self.device, self.dtype),
        )
        blocks = [*s.guidance_blocks, *(s.semantic_blocks if s.method == "inversion" else ())]
        deepest_block = max(up_block(block) for block in blocks) if s.is_guided else None
        return TakeNeeds(
            shape, (frames, size[0] // self.latent_scale, size[1] // self.latent_scale), deepest_block, controls
        )

    @property
    def text_per_frame(self) -> bool:
        return True

    @property
    def weight_bytes(self) -> int:
        return parameter_bytes(self.unet)

    @contextmanager
    def with_policy(self, policy: MemoryPolicy, controls: Sequence[Any] = ()) -> Iterator[AnimateDiff]:
        recompute, nets = KINDS[policy.recompute], [control.model for control in controls]
        with apply_policy(policy, self.unet, LAYERS, recompute, [self.text_encoder, self.vae], self.vae, nets):
            yield replace(self, separate_prompts=policy.separate_prompts)


def from_unet(unet: UNetMotionModel) -> AnimateDiff:
    """Wraps a UNet alone, for measurements. It predicts and records, but cannot embed, encode or decode."""
    nothing: Any = None
    return AnimateDiff(nothing, nothing, nothing, nothing, unet, animatediff_alphas())


def load_animatediff(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> AnimateDiff:
    """Loads the model of an entry onto `device`.

    dtype: of the UNet. The other parts are float32: they take about 1 % of the time, and VAE decoders can overflow in
    float16. Raises Problem for files that are missing, damaged or of another architecture.
    """
    if entry.folder and not (entry.folder / "model_index.json").is_file():
        raise Problem(
            "The model {entry} has no model_index.json in {folder}.",
            "Set folder in the entry to a complete diffusers folder.",
        ).about(entry=repr(entry.name), folder=entry.folder)
    try:
        return _load(entry, device, dtype)
    except (OSError, ValueError, KeyError, RuntimeError, MemoryError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise Problem(
                "The model {entry} does not fit into the free memory.",
                "Close other programs that use the device, or choose a smaller model.",
            ).about(entry=repr(entry.name)) from error
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise Problem(
            "The model {entry} in {folder} cannot be loaded: {reason}",
            "Its files may be incomplete: download or copy them again.",
        ).about(entry=repr(entry.name), folder=entry.folder or entry.base, reason=reason) from error


def _load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> AnimateDiff:
    """Checks everything that may be unsuitable before it reads the large weights."""
    check_scheduler(entry)
    alphas, notes = _alphas(entry), notes_on_base(entry)
    sources = unet_sources(entry)
    tokenizer, embeddings = load_tokenizer(entry), load_embeddings(entry.embeddings)
    modules: dict[str, Any] = {
        "unet": empty_unet(sources, entry.clip.most_frames),
        "text_encoder": load_text_encoder(entry, device, torch.float32, notes),
    }
    check_width(embeddings, entry.embeddings, modules["text_encoder"].config.hidden_size)
    _check_vocabulary(entry, tokenizer, modules["text_encoder"])
    deltas = lora_deltas(entry, modules, notes)
    modules["vae"] = load_vae(entry, device, torch.float32, notes)
    notes += fill(modules["unet"], sources, device, dtype)
    for name, module in modules.items():
        module.to(device=device).eval().requires_grad_(False)
        add_deltas(deltas.get(name, {}), module)
    normalize_each_frame(modules["unet"])
    tiny_vae = load_tiny_vae(entry, device)
    parts = {"tokenizer": tokenizer, "alphas": alphas, "tiny_vae": tiny_vae, "embeddings": embeddings}
    return AnimateDiff(entry=entry, notes=tuple(notes), **parts, **modules)


def _check_vocabulary(entry: ModelEntry, tokenizer: CLIPTokenizer, encoder: CLIPTextModel) -> None:
    """Raises Problem if the tokenizer does not belong to the text encoder, which would read other words then."""
    folder, rows = tokenizer_folder(entry), encoder.config.vocab_size
    if len(tokenizer) != rows:
        raise Problem(
            "The tokenizer in {folder} has {count} tokens; the text encoder of {base} has {rows}.",
            "Set config to the folder that belongs to the model, or remove config for SD1.5.",
        ).about(folder=folder, count=len(tokenizer), base=entry.base or entry.folder, rows=rows)
    if tokenizer.model_max_length > (positions := encoder.config.max_position_embeddings):
        raise Problem(
            "The tokenizer in {folder} produces up to {longest} tokens; the text encoder of {base} reads {positions}.",
            "Set config to the folder that belongs to the model, or remove config for SD1.5.",
        ).about(folder=folder, longest=tokenizer.model_max_length, base=entry.base or entry.folder, positions=positions)


def _alphas(entry: ModelEntry) -> Tensor:
    if entry.folder:
        return DDIMScheduler.from_pretrained(entry.folder / "scheduler", **LOCAL).alphas_cumprod
    return animatediff_alphas()
