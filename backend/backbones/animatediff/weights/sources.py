"""The config and tensors of each component, from a diffusers folder or from a part of a single file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from torch import Tensor

from ....job_folder.problem import Problem
from ....job_folder.reading import read_json
from ....models.model_entry import ModelEntry
from . import sd15
from .files import WANT_NOISE, WeightFile, open_weights, refusal
from .recognize import EMA_ONLY, INPUTS, WIDTHS, Found, recognize
from .surplus import notes_on

MAX_CONFIG_BYTES = 20_000_000  # the index of a sharded model has some hundred thousand
LOCAL = {"local_files_only": True}
UNET_PREFIX, TEXT_PREFIX, VAE_PREFIX = "model.diffusion_model.", "cond_stage_model.transformer.", "first_stage_model."
PREFIXES = (UNET_PREFIX, TEXT_PREFIX, VAE_PREFIX)
NO_EMA = "Choose the version without EMA, which is often called pruned."
EXPECTED = "It must be SD1.5: a diffusers folder, or a single file in the original layout."


@dataclass(frozen=True)
class Source:
    """The config and tensors of one component.

    setting, path: the entry's key and the file, for errors. tensors: by diffusers' names, memory-mapped until used.
    given: all tensors of this part, by the names in the file.
    """

    setting: str
    path: Path
    config: dict[str, Any]
    tensors: dict[str, Tensor]
    given: Mapping[str, Tensor] = field(default_factory=dict)

    def surplus(self, used: Mapping[str, Tensor]) -> list[str]:
        """Returns the names, in the file, of the tensors that are not in `used`."""
        addresses = {tensor.data_ptr() for tensor in used.values()}
        given = self.given or self.tensors
        return [name for name, tensor in given.items() if not tensor.numel() or tensor.data_ptr() not in addresses]


def config_of(entry: ModelEntry, part: str) -> dict[str, Any]:
    """Returns the config of a part ("unet", "vae", "text_encoder") of a single file: the entry's or SD1.5's."""
    path = entry.config / part / "config.json" if entry.config else None
    return _read_json(path, "config") if path and path.is_file() else dict(sd15.CONFIGS[part])


def unet_source(entry: ModelEntry) -> Source:
    """Returns the source of the UNet. In a complete folder it may already contain motion modules."""
    root = entry.folder or entry.base
    if root.is_dir():
        key = "folder" if entry.folder else "base"
        source = folder_source(root / "unet", key) if (root / "unet").is_dir() else _no_unet(root, key)
        _check_unet_config(source, key)
        return source
    file = base_file(entry)
    config = config_of(entry, "unet")
    given = _part(file, UNET_PREFIX)
    return Source("base", file.path, config, convert_ldm_unet_checkpoint(dict(given), config), given)


def notes_on_base(entry: ModelEntry) -> list[str]:
    """Returns notes for the user about what a single file contains besides UNet, text encoder and VAE.

    Raises Problem if it contains unknown tensors.
    """
    if (entry.folder or entry.base).is_dir():
        return []
    file = base_file(entry)
    return notes_on([name for name in file.shapes if not name.startswith(PREFIXES)], "base", file.path)


def _part(file: WeightFile, prefix: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in file.tensors().items() if name.startswith(prefix)}


def base_file(entry: ModelEntry) -> WeightFile:
    """Opens the single file of the base model. Raises Problem if it is not SD1.5."""
    file = open_weights(entry.base, "base")
    found = recognize(file.shapes)
    expected = config_of(entry, "unet").get("cross_attention_dim")
    if found.kind != "checkpoint" or found.family not in ("", "SD1.5"):
        raise file.refuse(f"is {found}", NO_EMA if found.kind == EMA_ONLY else EXPECTED)
    if found.width != expected:
        words = f"reads text embeddings of width {found.width}; the configs expect {expected}"
        raise file.refuse(f"is a checkpoint that {words}", EXPECTED)
    return file


def text_source(entry: ModelEntry) -> Source:
    """Returns the source of the text encoder in a single file. Raises Problem if the file has none."""
    file = base_file(entry)
    given = _part(file, TEXT_PREFIX)
    if not given:
        raise file.refuse("contains no text encoder", "Set base to a complete checkpoint or a diffusers folder.")
    return Source(
        "base",
        file.path,
        config_of(entry, "text_encoder"),
        {name.removeprefix(TEXT_PREFIX).removeprefix("text_model."): tensor for name, tensor in given.items()},
        given,
    )


def vae_source(entry: ModelEntry) -> Source:
    """Returns the source of a VAE in a single file: the entry's own VAE, or the one in its base."""
    file = open_weights(entry.vae, "vae") if entry.vae else base_file(entry)
    config = config_of(entry, "vae")
    found = recognize(file.shapes)
    if entry.vae and found != Found("VAE"):
        raise file.refuse(f"is {found}", "It must be a VAE of SD1.5, with 4 channels.")
    given = file.tensors() if entry.vae else _part(file, VAE_PREFIX)
    if any("encoder.down_blocks." in name for name in given):
        return Source("vae", file.path, config, given)
    if not given:
        raise file.refuse("contains no VAE", "Set vae to one, or base to a complete checkpoint.")
    tensors = convert_ldm_vae_checkpoint(dict(given), config)
    return Source("vae" if entry.vae else "base", file.path, config, tensors, given)


def folder_source(folder: Path, setting: str) -> Source:
    """Returns the source in the folder of a diffusers component, with weights in one file or several."""
    config = _read_json(folder / "config.json", setting)
    name = "diffusion_pytorch_model"
    index = folder / f"{name}.safetensors.index.json"
    single = [folder / f"{name}{variant}.safetensors" for variant in ("", ".fp16")]
    if index.is_file():
        files = [folder / name for name in _parts(_read_json(index, setting), index, setting)]
    elif not (files := [path for path in single if path.is_file()][:1]):
        hint = "Download the .safetensors version of the folder; .bin files are not supported."
        raise refusal(setting, folder, f"has no {name}.safetensors in it", hint)
    tensors = {k: v for file in files for k, v in open_weights(file, setting).tensors().items()}
    return Source(setting, folder, config, tensors)


def _parts(index: dict[str, Any], path: Path, setting: str) -> list[str]:
    """Returns the names of the files that an index lists. They must be beside it."""
    named = index.get("weight_map")
    names = set(named.values()) if isinstance(named, dict) else set()
    if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise refusal(setting, path, "lists no files beside it", "Download or copy the folder again.")
    return sorted(names)


def _no_unet(root: Path, key: str) -> Source:
    model = root / "model_index.json"
    path = model if model.is_file() else root / "config.json"
    if not path.is_file():
        raise refusal(key, root, "is not a diffusers folder: it contains no folder unet", EXPECTED)
    raise refusal(key, root, f"is the folder of a {_read_json(path, key).get('_class_name', 'model')}", EXPECTED)


def _check_unet_config(source: Source, key: str) -> None:
    config = source.config
    width, inputs = config.get("cross_attention_dim"), config.get("in_channels", 4)
    if key == "base" and config.get("_class_name") == "UNetMotionModel":
        raise refusal(key, source.path, "already contains motion modules", "Use folder instead of base for this model.")
    if inputs != 4:
        found = INPUTS.get(inputs, f"{inputs}-channel ")
        raise refusal(key, source.path, f"is {Found('UNet', found.strip())}", EXPECTED)
    if width in WIDTHS and WIDTHS[width] != "SD1.5" or config.get("addition_embed_type") == "text_time":
        raise refusal(key, source.path, f"is {Found('UNet', WIDTHS.get(width, 'SDXL'))}", EXPECTED)


def check_scheduler(entry: ModelEntry) -> None:
    """Raises Problem if a scheduler config of the model says that it does not predict noise over 1000 timesteps."""
    for key in ("folder", "base", "config"):
        root = getattr(entry, key)
        path = root / "scheduler" / "scheduler_config.json" if root else None
        if path is None or not path.is_file():
            continue
        config = _read_json(path, key)
        kind, steps = config.get("prediction_type", "epsilon"), config.get("num_train_timesteps", 1000)
        if "FlowMatch" in str(config.get("_class_name")):
            raise refusal(key, path, "is for flow matching", WANT_NOISE)
        if kind != "epsilon":
            raise refusal(key, path, f"says prediction_type {kind}", WANT_NOISE)
        if config.get("rescale_betas_zero_snr"):
            raise refusal(key, path, "says rescale_betas_zero_snr, a schedule of zero terminal SNR", WANT_NOISE)
        if steps != 1000:
            raise refusal(key, path, f"says num_train_timesteps {steps}; it must be 1000", WANT_NOISE)


def _read_json(path: Path, setting: str) -> dict[str, Any]:
    try:
        content = read_json(path, MAX_CONFIG_BYTES)
        if not isinstance(content, dict):
            raise ValueError
        return content
    except (OSError, ValueError) as error:
        reason = "is not there" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise Problem("{setting}: {path} {reason}.", "Download or copy the folder again.").about(
            setting=setting, path=path, reason=reason
        ) from None
