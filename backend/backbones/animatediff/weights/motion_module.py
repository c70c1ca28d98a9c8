"""Motion modules: diffusers' adapter folders, and AnimateDiff's own files of all versions.

v1 has 24 positions and no motion module in the mid block, v2 has 32 positions and one in the mid block, v3 has 32
positions and none in the mid block. The names and shapes of the tensors show the version.
"""

from __future__ import annotations

import re
from typing import Any

from diffusers.loaders.single_file_utils import convert_animatediff_checkpoint_to_diffusers

from ....models.model_entry import ModelEntry
from .files import WeightFile, open_weights, refusal
from .recognize import Found, Shapes, recognize
from .sources import Source, folder_source, unet_source

HEADS = 8  # of every published motion module
POSITIONS = 32
MODULE = re.compile(r"^(down_blocks|up_blocks)\.(\d+)\.motion_modules\.(\d+)\.")
EXPECTED = "It must be an AnimateDiff motion module for SD1.5: its file, or a diffusers MotionAdapter folder."


def unet_sources(entry: ModelEntry) -> list[Source]:
    """Returns the source of a UNet with motion modules; or those of a plain UNet and of its motion modules."""
    unet = unet_source(entry)
    return [unet] if unet.config.get("_class_name") == "UNetMotionModel" else [unet, motion_source(entry)]


def motion_source(entry: ModelEntry) -> Source:
    """Returns the source of the entry's motion module. Raises Problem if the file is something else."""
    if entry.folder:
        return folder_source(entry.folder / "motion_adapter", "folder")
    if entry.motion_module.is_dir():
        source = folder_source(entry.motion_module, "motion_module")
        if source.config.get("_class_name") not in (None, "MotionAdapter"):
            name = source.config["_class_name"]
            raise refusal("motion_module", source.path, f"is the folder of a {name}", EXPECTED)
        return source
    file = open_weights(entry.motion_module, "motion_module")
    found = recognize(file.shapes)
    if found != Found("motion module"):
        raise file.refuse(f"is {found}", EXPECTED)
    given = file.tensors()
    tensors = {name: tensor for name, tensor in given.items() if "motion_modules." in name}
    converted = convert_animatediff_checkpoint_to_diffusers(tensors)
    return Source("motion_module", file.path, adapter_config(file), converted, given)


def adapter_config(file: WeightFile) -> dict[str, Any]:
    """Returns the config of diffusers' MotionAdapter for a file, from the names and shapes of its tensors."""
    channels: dict[int, int] = {}
    layers: dict[int, int] = {}
    for name, shape in file.shapes.items():
        match = MODULE.match(name)
        if match and match[1] == "down_blocks":
            block = int(match[2])
            layers[block] = max(layers.get(block, 0), int(match[3]) + 1)
            if name.endswith("proj_in.weight"):
                channels[block] = shape[1]
    if not channels or sorted(channels) != list(range(len(channels))):
        raise file.refuse("is an incomplete motion module: down blocks are missing", EXPECTED)
    return {
        "block_out_channels": [channels[i] for i in range(len(channels))],
        "motion_layers_per_block": [layers[i] for i in range(len(channels))],
        "motion_transformer_layers_per_block": _depth(file.shapes),
        "motion_num_attention_heads": HEADS,
        "motion_max_seq_length": positions(file.shapes),
        "use_motion_mid_block": any(name.startswith("mid_block.motion_modules.") for name in file.shapes),
    }


def _depth(shapes: Shapes) -> int:
    """Returns the number of transformer blocks in a motion module."""
    return 1 + max(int(number) for name in shapes for number in re.findall(r"transformer_blocks\.(\d+)\.", name))


def positions(shapes: Shapes) -> int:
    """Returns the number of frames for which the file has a positional encoding."""
    encodings = (shape for name, shape in shapes.items() if name.endswith(("pos_encoder.pe", "pos_embed.pe")))
    return next((shape[1] for shape in encodings), POSITIONS)
