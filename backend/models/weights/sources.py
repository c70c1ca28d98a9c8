"""Where each component's config and tensors come from: a diffusers folder, or a part of a single file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from torch import Tensor

from ...errors import JobError
from ...wire.reading import read_json
from ..entry import ModelEntry
from . import sd15
from .files import WeightFile, open_weights, refusal
from .recognise import INPUTS, WIDTHS, Found, recognise

MOST_CONFIG = 20_000_000  # bytes; the index of a sharded model has some hundred thousand
LOCAL = {"local_files_only": True}
TEXT_PREFIX = "cond_stage_model.transformer."
EXPECTED = "Expected is SD1.5: a diffusers folder, or a single file in the original layout."


@dataclass(frozen=True)
class Source:
    """tensors: by diffusers' names, mapped from the file until used; setting and path: for what is said about them."""

    setting: str
    path: Path
    config: dict[str, Any]
    tensors: dict[str, Tensor]


def config_of(entry: ModelEntry, part: str) -> dict[str, Any]:
    """The config of a single file's part ("unet", "vae", "text_encoder"): the entry's own, else SD1.5's."""
    path = entry.config / part / "config.json" if entry.config else None
    return _read_json(path, "config") if path and path.is_file() else dict(sd15.CONFIGS[part])


def unet_source(entry: ModelEntry) -> Source:
    """The base's UNet; of a complete folder it may hold motion modules already."""
    root = entry.folder or entry.base
    if root.is_dir():
        key = "folder" if entry.folder else "base"
        source = folder_source(root / "unet", key) if (root / "unet").is_dir() else _no_unet(root, key)
        _check_unet_config(source, key)
        return source
    file = base_file(entry)
    config = config_of(entry, "unet")
    tensors = convert_ldm_unet_checkpoint(file.tensors(), config)
    return Source("base", file.path, config, tensors)


def base_file(entry: ModelEntry) -> WeightFile:
    """The single file, after its header says that it is SD1.5. JobError says what else it is."""
    file = open_weights(entry.base, "base")
    found = recognise(file.shapes)
    expected = config_of(entry, "unet").get("cross_attention_dim")
    if found.kind != "checkpoint" or found.family not in ("", "SD1.5"):
        raise file.refuse(f"is {found}", EXPECTED)
    if found.width != expected:
        words = f"reads text of width {found.width}; the configs expect {expected}"
        raise file.refuse(f"is a checkpoint that {words}", EXPECTED)
    return file


def text_source(entry: ModelEntry) -> Source:
    file = base_file(entry)
    tensors = {k.removeprefix(TEXT_PREFIX): v for k, v in file.tensors().items() if k.startswith(TEXT_PREFIX)}
    if not tensors:
        raise file.refuse("has no text encoder in it", "Name a complete checkpoint, or a diffusers folder, as base.")
    return Source(
        "base",
        file.path,
        config_of(entry, "text_encoder"),
        {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()},
    )


def vae_source(entry: ModelEntry) -> Source:
    """Of a single file: the entry's own VAE, or the one in its base."""
    file = open_weights(entry.vae, "vae") if entry.vae else base_file(entry)
    config = config_of(entry, "vae")
    found = recognise(file.shapes)
    if entry.vae and found != Found("VAE"):
        raise file.refuse(f"is {found}", "Expected is a VAE of SD1.5, with 4 channels.")
    tensors = file.tensors()
    if any("encoder.down_blocks." in name for name in tensors):
        return Source("vae", file.path, config, tensors)
    if not entry.vae:
        tensors = {name: tensor for name, tensor in tensors.items() if name.startswith("first_stage_model.")}
    if not tensors:
        raise file.refuse("has no VAE in it", "Name one as vae, or a complete checkpoint as base.")
    return Source("vae" if entry.vae else "base", file.path, config, convert_ldm_vae_checkpoint(tensors, config))


def folder_source(folder: Path, setting: str) -> Source:
    """A diffusers component's folder: config.json and its weights, in one file or several."""
    config = _read_json(folder / "config.json", setting)
    name = "diffusion_pytorch_model"
    index = folder / f"{name}.safetensors.index.json"
    single = [folder / f"{name}{variant}.safetensors" for variant in ("", ".fp16")]
    if index.is_file():
        files = [folder / name for name in _parts(_read_json(index, setting), index, setting)]
    elif not (files := [path for path in single if path.is_file()][:1]):
        hint = "Fetch the folder's .safetensors version; .bin files are not read."
        raise refusal(setting, folder, f"has no {name}.safetensors in it", hint)
    tensors = {k: v for file in files for k, v in open_weights(file, setting).tensors().items()}
    return Source(setting, folder, config, tensors)


def _parts(index: dict[str, Any], path: Path, setting: str) -> list[str]:
    """The files that an index names, which lie beside it."""
    named = index.get("weight_map")
    names = set(named.values()) if isinstance(named, dict) else set()
    if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise refusal(setting, path, "names no files beside it", "Fetch or copy the folder again.")
    return sorted(names)


def _no_unet(root: Path, key: str) -> Source:
    model = root / "model_index.json"
    path = model if model.is_file() else root / "config.json"
    if not path.is_file():
        raise refusal(key, root, "is no diffusers folder: it has no unet folder in it", EXPECTED)
    raise refusal(key, root, f"is the folder of a {_read_json(path, key).get('_class_name', 'model')}", EXPECTED)


def _check_unet_config(source: Source, key: str) -> None:
    config = source.config
    width, inputs = config.get("cross_attention_dim"), config.get("in_channels", 4)
    if key == "base" and config.get("_class_name") == "UNetMotionModel":
        raise refusal(key, source.path, "has motion modules in it already", "Name the model as folder instead of base.")
    if inputs != 4:
        found = INPUTS.get(inputs, f"{inputs}-channel ")
        raise refusal(key, source.path, f"is {Found('UNet', found.strip())}", EXPECTED)
    if width in WIDTHS and WIDTHS[width] != "SD1.5" or config.get("addition_embed_type") == "text_time":
        raise refusal(key, source.path, f"is {Found('UNet', WIDTHS.get(width, 'SDXL'))}", EXPECTED)


def _read_json(path: Path, setting: str) -> dict[str, Any]:
    try:
        content = read_json(path, MOST_CONFIG)
        if not isinstance(content, dict):
            raise ValueError
        return content
    except (OSError, ValueError) as error:
        reason = "is not there" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise JobError(f"{setting}: {path} {reason}.", "Fetch or copy the folder again.") from None
