"""Builds empty models and fills them tensor by tensor, so that there is never a second copy of the weights."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, MotionAdapter, UNet2DConditionModel, UNetMotionModel
from diffusers.models.embeddings import SinusoidalPositionalEmbedding
from diffusers.models.modeling_utils import no_init_weights
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from ....job_folder.problem import Problem
from ....job_folder.reading import read_json
from ....models.model_entry import ModelEntry
from .files import refusal
from .sources import LOCAL, MAX_CONFIG_BYTES, Source, text_source, vae_source
from .surplus import notes_on, notes_on_loading

SAFE = LOCAL | {"use_safetensors": True}


@contextmanager
def building_empty() -> Iterator[None]:
    """Modules that are built inside need no memory, and no time to draw initial values. `fill` gives them their
    weights."""
    with torch.device("meta"), no_init_weights():
        yield


def empty_unet(sources: Sequence[Source], most_frames: int) -> UNetMotionModel:
    """Builds a UNet without memory.

    sources: a UNet with motion modules; or a plain UNet and its motion modules. Raises Problem if they do not fit each
    other, or know fewer than `most_frames` frames.
    """
    with building_empty():
        if len(sources) == 1:
            unet = UNetMotionModel.from_config(sources[0].config)
        else:
            base, motion = sources
            plain = UNet2DConditionModel.from_config(base.config)
            adapter = MotionAdapter.from_config(
                {"motion_norm_num_groups": plain.config.norm_num_groups} | motion.config
            )
            _check_blocks(plain, adapter, motion)
            unet = UNetMotionModel.from_unet2d(plain, adapter, load_weights=False)
    positions = unet.config.motion_max_seq_length
    if positions < most_frames:
        found = f"supports {positions} frames; the entry's most_frames is {most_frames}"
        raise refusal(sources[-1].setting, sources[-1].path, found, f"Set most_frames to {positions} or less.")
    return unet


def _check_blocks(plain: UNet2DConditionModel, adapter: MotionAdapter, motion: Source) -> None:
    here, given = len(plain.config.down_block_types), len(adapter.config.block_out_channels)
    if here != given:
        found = f"is a motion module for a UNet of {given} blocks{', such as SDXL' if given == 3 else ''}"
        raise refusal(motion.setting, motion.path, found, f"The base has {here} blocks; SD1.5 has 4.")


def load_text_encoder(entry: ModelEntry, device: torch.device, dtype: torch.dtype, notes: list[str]) -> CLIPTextModel:
    """Loads the text encoder. notes: sentences for the user are added to it. Raises Problem for unsuitable files."""
    root = entry.folder or entry.base
    if root.is_dir():
        folder = root / "text_encoder"
        how = SAFE | {"dtype": dtype, "variant": variant_of(folder, "model"), "output_loading_info": True}
        encoder, info = CLIPTextModel.from_pretrained(folder, **how)
        notes += notes_on_loading(info, "folder" if entry.folder else "base", folder)
        return encoder.to(device)
    source = text_source(entry)
    encoder = CLIPTextModel(CLIPTextConfig(**source.config))
    notes += fill(encoder, [source], device, dtype)
    return encoder


def load_vae(entry: ModelEntry, device: torch.device, dtype: torch.dtype, notes: list[str]) -> AutoencoderKL:
    """Loads the VAE. notes: sentences for the user are added to it. Raises Problem for unsuitable files."""
    folder = _vae_folder(entry)
    if folder is None:
        source = vae_source(entry)
        with building_empty():
            vae = AutoencoderKL.from_config(source.config)
        notes += fill(vae, [source], device, dtype)
        return vae
    variant = variant_of(folder, "diffusion_pytorch_model")
    how = SAFE | {"torch_dtype": dtype, "low_cpu_mem_usage": False}  # True requires accelerate
    vae, info = AutoencoderKL.from_pretrained(folder, variant=variant, output_loading_info=True, **how)
    notes += notes_on_loading(info, "vae" if entry.vae else "folder" if entry.folder else "base", folder)
    return vae.to(device)


def load_tiny_vae(entry: ModelEntry, device: torch.device) -> AutoencoderTiny | None:
    """Loads the tiny VAE for previews, None if the entry names none.

    Raises Problem if it is not a diffusers folder of a tiny VAE for the latents of SD1.5.
    """
    folder = entry.tiny_vae
    if folder is None:
        return None
    advice = "Set tiny_vae to a diffusers folder of a tiny VAE for SD1.5, such as taesd, or remove it."
    try:
        config = read_json(folder / "config.json", MAX_CONFIG_BYTES)
    except (OSError, ValueError):
        raise refusal("tiny_vae", folder, "is not a diffusers folder of a model", advice) from None
    if not isinstance(config, dict) or config.get("_class_name") != "AutoencoderTiny":
        raise refusal("tiny_vae", folder, "contains another model than a tiny VAE", advice)
    if (channels := config.get("latent_channels", 4)) != 4:
        raise refusal("tiny_vae", folder, f"is for latents of {channels} channels; SD1.5 has 4", advice)
    how = SAFE | {"torch_dtype": torch.float32, "low_cpu_mem_usage": False}
    variant = variant_of(folder, "diffusion_pytorch_model")
    tiny, info = AutoencoderTiny.from_pretrained(folder, variant=variant, output_loading_info=True, **how)
    notes_on_loading(info, "tiny_vae", folder)
    return tiny.to(device).eval().requires_grad_(False)


def _vae_folder(entry: ModelEntry) -> Path | None:
    """Returns the diffusers folder of the VAE, None if it is in a single file."""
    root = entry.vae or entry.folder or entry.base
    if not root.is_dir():
        return None
    folder = root / "vae" if (root / "vae").is_dir() else root
    if not (folder / "config.json").is_file():
        raise refusal("vae" if entry.vae else "base", root, "contains no VAE", "Choose a diffusers folder of a VAE.")
    return folder


def variant_of(folder: Path, stem: str) -> str | None:
    """Returns "fp16" if the folder contains only the half-precision weights, else None."""
    plain = any((folder / f"{stem}.safetensors{end}").is_file() for end in ("", ".index.json"))
    return "fp16" if not plain and (folder / f"{stem}.fp16.safetensors").is_file() else None


def fill(module: nn.Module, sources: Sequence[Source], device: torch.device, dtype: torch.dtype) -> list[str]:
    """Loads the tensors of the sources into `module`, which may be on the meta device.

    Returns notes for the user about unused tensors. Raises Problem if a tensor is missing, does not fit or is unknown.
    """
    wanted = module.state_dict()
    encodings = _positions(module)
    found = {}
    for name, tensor in wanted.items():
        source = next((source for source in sources if name in source.tensors), None)
        given = source.tensors[name] if source else encodings.get(name)
        if given is None:
            raise _incomplete(wanted, sources, encodings)
        if given.shape != tensor.shape:
            raise refusal(
                source.setting,
                source.path,
                f"is for another model: its {name} is {_sizes(given)}, expected is {_sizes(tensor)}",
                "Check that base, motion_module, vae and config belong to SD1.5.",
            )
        found[name] = given
    notes = [note for one in sources for note in notes_on(one.surplus(found), one.setting, one.path)]
    for name, given in found.items():
        found[name] = given.to(device=device, dtype=dtype, copy=True)  # a copy: the file may change or disappear later
    module.load_state_dict(found, assign=True)
    return notes


def _incomplete(wanted: Collection[str], sources: Sequence[Source], encodings: Collection[str]) -> Problem:
    missing = [n for n in wanted if n not in encodings and not any(n in source.tensors for source in sources)]
    source = sources[-1] if "motion_modules" in missing[0] else sources[0]
    return refusal(
        source.setting,
        source.path,
        f"lacks {len(missing)} of the model's {len(wanted)} tensors, among them {missing[0]}",
        "It is incomplete or its tensors are renamed: download it again, or choose another file.",
    )


def _positions(module: nn.Module) -> dict[str, Tensor]:
    """Returns the positional encodings by name. They are computed, not trained, and some files leave them out."""
    return {
        f"{name}.pe": SinusoidalPositionalEmbedding(part.pe.shape[-1], part.pe.shape[1]).pe
        for name, part in module.named_modules()
        if isinstance(part, SinusoidalPositionalEmbedding)
    }


def _sizes(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape))
