"""Loads a model's components from the files its entry names. Only local files, and nothing in them is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, DDIMScheduler, UNetMotionModel
from safetensors import SafetensorError
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from ...errors import JobError
from ...memory.device import ran_out
from ...models.entry import ModelEntry
from ...models.vocabulary import tokenizer_folder
from .denoise import Control, Denoiser
from .frame_norm import normalise_each_frame
from .weights.embeddings import check_width, load_embeddings
from .weights.lora import add, changes_of
from .weights.modules import empty_unet, fill, load_text_encoder, load_tiny_vae, load_vae
from .weights.motion_module import unet_sources
from .weights.sd15 import animatediff_alphas
from .weights.sources import LOCAL, check_scheduler, notes_on_base
from .words import load_tokenizer

# Loading takes a moment here; the library's own bars would only disturb the job's progress lines.
diffusers.utils.logging.disable_progress_bar()


@dataclass(frozen=True)
class Components:
    """A loaded model. alphas [1000]: cumulative alphas of its noise schedule; tiny_vae: for previews, None if the entry
    names none; embeddings: vectors [n, C] of textual inversions by name; notes: on what was left out, for the user;
    pair_apart: see memory.policy; loaded_controls: of controls.controls, by kind, kept between takes."""

    entry: ModelEntry
    vae: AutoencoderKL
    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    unet: UNetMotionModel
    alphas: Tensor
    tiny_vae: AutoencoderTiny | None = None
    embeddings: dict[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    pair_apart: bool = False
    loaded_controls: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def denoise(self) -> Denoiser:
        return self.denoiser()

    def denoiser(self, controls: Sequence[Control] = ()) -> Denoiser:
        return Denoiser(self.unet, controls, self.pair_apart)

    @property
    def latent_scale(self) -> int:
        """Pixels to a latent cell, along each side."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)


def load_components(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Components:
    """dtype: of the UNet alone; the others take a hundredth of the time, and decoders are known to fail in half.

    JobError names what is missing, damaged, or for another architecture.
    """
    if entry.folder and not (entry.folder / "model_index.json").is_file():
        raise JobError(
            f"The model {entry.name!r} has no model_index.json in {entry.folder}.",
            "Point the entry's folder at a complete diffusers folder.",
        )
    try:
        return _load(entry, device, dtype)
    except (OSError, ValueError, KeyError, RuntimeError, MemoryError, SafetensorError) as error:
        if ran_out(error):
            raise JobError(
                f"The model {entry.name!r} does not fit into the memory that is free.",
                "Close other programs that use the device, or choose a smaller model.",
            ) from error
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise JobError(
            f"The model {entry.name!r} in {entry.folder or entry.base} cannot be loaded: {reason}",
            "Its files may be incomplete: fetch or copy them again.",
        ) from error


def _load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Components:
    """Everything that can be refused is looked at before the large weights are read."""
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
    changes = changes_of(entry, modules, notes)
    modules["vae"] = load_vae(entry, device, torch.float32, notes)
    notes += fill(modules["unet"], sources, device, dtype)
    for name, module in modules.items():
        module.to(device=device).eval().requires_grad_(False)
        add(changes.get(name, {}), module)
    normalise_each_frame(modules["unet"])
    tiny_vae = load_tiny_vae(entry, device)
    parts = {"tokenizer": tokenizer, "alphas": alphas, "tiny_vae": tiny_vae, "embeddings": embeddings}
    return Components(entry=entry, notes=tuple(notes), **parts, **modules)


def _check_vocabulary(entry: ModelEntry, tokenizer: CLIPTokenizer, encoder: CLIPTextModel) -> None:
    """JobError when the tokenizer numbers other tokens than the encoder was trained with: it would read other words."""
    folder, rows = tokenizer_folder(entry), encoder.config.vocab_size
    if len(tokenizer) != rows:
        raise JobError(
            f"The tokenizer in {folder} has {len(tokenizer)} tokens; the text encoder of {entry.base or entry.folder} "
            f"has {rows}.",
            "Name as config the folder that belongs to the model; for SD1.5 leave config out.",
        )
    if tokenizer.model_max_length > (positions := encoder.config.max_position_embeddings):
        raise JobError(
            f"The tokenizer in {folder} gives up to {tokenizer.model_max_length} tokens; the text encoder of "
            f"{entry.base or entry.folder} reads {positions}.",
            "Name as config the folder that belongs to the model; for SD1.5 leave config out.",
        )


def _alphas(entry: ModelEntry) -> Tensor:
    if entry.folder:
        return DDIMScheduler.from_pretrained(entry.folder / "scheduler", **LOCAL).alphas_cumprod
    return animatediff_alphas()
