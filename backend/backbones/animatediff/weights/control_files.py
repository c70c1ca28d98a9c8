"""Control models in single files: AnimateDiff's SparseCtrl, and ControlNets of the original or diffusers' layout."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffusers import ControlNetModel, SparseControlNetModel, UNetMotionModel
from diffusers.loaders.single_file_utils import (
    convert_animatediff_checkpoint_to_diffusers,
    convert_controlnet_checkpoint,
)
from torch import Tensor

from .files import WeightFile, open_weights
from .modules import building_empty, fill
from .motion_module import HEADS, positions
from .recognize import recognize
from .sources import PREFIXES, Source

LAYOUT = "control_model."  # prefix of the names of a ControlNet in the original layout
EMBEDDING = "controlnet_cond_embedding."
EXPECTED = {
    SparseControlNetModel: "It must be a SparseCtrl model of AnimateDiff, a single file or a diffusers folder.",
    ControlNetModel: "It must be a ControlNet for SD1.5, a single file or a diffusers folder.",
}
KINDS = {SparseControlNetModel: "SparseCtrl model", ControlNetModel: "ControlNet"}


def control_from_file(path: Path, key: str, kind: type, unet: UNetMotionModel, notes: list[str]) -> Any:
    """Loads the control model in a file, with the UNet's sizes, precision and device.

    key: the entry's key of the file. kind: SparseControlNetModel or ControlNetModel. notes: sentences for the user are
    added to it. Raises Problem if the file is something else or does not fit.
    """
    file = open_weights(path, key)
    found = recognize(file.shapes)
    if found.kind != KINDS[kind] or found.family not in ("", "SD1.5"):
        raise file.refuse(f"is {found}", EXPECTED[kind])
    source = _sparse(file, unet) if kind is SparseControlNetModel else _controlnet(file, unet)
    with building_empty():
        net = kind.from_config(source.config)
    notes += fill(net, [source], unet.device, unet.dtype)
    return net


def _sparse(file: WeightFile, unet: UNetMotionModel) -> Source:
    given = file.tensors()
    tensors = convert_animatediff_checkpoint_to_diffusers(given)
    simple = tensors.get(f"{EMBEDDING}weight")
    first = tensors.get(f"{EMBEDDING}conv_in.weight") if simple is None else simple
    channels = 4 if first is None else first.shape[1] - 1  # one channel is the mask of the frames with a picture
    config = _sizes(unet) | {
        "down_block_types": list(unet.config.down_block_types),
        "num_attention_heads": unet.config.num_attention_heads,
        "motion_num_attention_heads": unet.config.motion_num_attention_heads or HEADS,
        "motion_max_seq_length": positions(file.shapes),
        "use_simplified_condition_embedding": simple is not None,
        "conditioning_channels": channels,
    }
    return Source(file.setting, file.path, config | _embedding(tensors), tensors, given)


def _controlnet(file: WeightFile, unet: UNetMotionModel) -> Source:
    config = _sizes(unet) | {
        "down_block_types": [name.replace("Motion", "2D") for name in unet.config.down_block_types],
        "attention_head_dim": unet.config.num_attention_heads,
    }
    # Some files also contain the base model, which the entry names separately.
    given = {name: tensor for name, tensor in file.tensors().items() if not name.startswith(PREFIXES)}
    plain = {name.removeprefix(LAYOUT): tensor for name, tensor in given.items()}
    converted = convert_controlnet_checkpoint(plain, config)
    tensors = {name: tensor for name, tensor in converted.items() if tensor is not None}
    return Source(file.setting, file.path, config | _embedding(tensors), tensors, given)


def _sizes(unet: UNetMotionModel) -> dict[str, Any]:
    keys = ("block_out_channels", "layers_per_block", "norm_num_groups", "cross_attention_dim")
    return {key: unet.config[key] for key in keys}


def _embedding(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Returns the widths of the layers that embed the picture."""
    first = tensors.get(f"{EMBEDDING}conv_in.weight")
    numbers = [int(match[1]) for name in tensors if (match := re.match(rf"{EMBEDDING}blocks\.(\d+)\.weight", name))]
    if first is None or not numbers:
        return {}
    widths = [tensors[f"{EMBEDDING}blocks.{i}.weight"].shape[0] for i in sorted(numbers) if i % 2]
    return {"conditioning_embedding_out_channels": [first.shape[0], *widths]}
