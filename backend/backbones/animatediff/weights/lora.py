"""LoRAs in all common layouts, added to the weights: W += strength * alpha / rank * up @ down.

Hu et al., arXiv:2106.09685, eq. 3. Layouts: kohya's (`lora_unet_...`, `lora_te_...`), diffusers' old and new ones,
PEFT's, and AnimateDiff's own for domain adapters and motion LoRAs.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from diffusers.loaders.single_file_utils import convert_animatediff_checkpoint_to_diffusers
from torch import Tensor, nn

from ....job_folder.problem import Problem, Sentence
from ....models.model_entry import ModelEntry
from .files import AGAIN, WeightFile, open_weights
from .lora_scale import read_scales
from .recognize import Found, recognize

ROLE = re.compile(
    r"(?:[._]lora|\.lora_linear_layer)\.(?P<a>down|up)\.weight$"  # diffusers, AnimateDiff
    r"|\.lora_(?P<b>down|up)\.weight$"  # kohya
    r"|\.lora_(?P<c>A|B)(?:\.\w+)?\.weight$"  # PEFT
    r"|\.(?:lora_)?(?P<d>alpha)$"
)
ROLES = {"A": "down", "B": "up"}
TEXT_NAMES = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}
EXPECTED = {
    "motion_loras": "It must be a motion LoRA of AnimateDiff; a LoRA for looks belongs under loras.",
    "loras": "It must be a LoRA for SD1.5; motion LoRAs belong under motion_loras.",
    "domain_adapter": "It must be AnimateDiff v3's domain adapter.",
}
UNFIT = {
    "loras": "It is for another architecture than SD1.5.",
    "motion_loras": "The published motion LoRAs are for AnimateDiff's v2 motion module.",
}
BUNDLED = "bundle_emb."
KINDS = {"motion_loras": "motion LoRA", "loras": "LoRA", "domain_adapter": "LoRA"}


@dataclass(frozen=True)
class LoraDelta:
    """What one LoRA adds to one weight: factor * up @ down. up: [out, rank, ...]. down: [rank, in, ...]."""

    up: Tensor
    down: Tensor
    factor: float

    def matrix(self, device: torch.device) -> Tensor:
        """Returns the product as float32 [out, in * kernel]."""
        up, down = (tensor.to(device, torch.float32).flatten(1) for tensor in (self.up, self.down))
        return self.factor * (up @ down)


LoraDeltas = dict[str, dict[str, list[LoraDelta]]]  # by component, then by layer


def lora_deltas(entry: ModelEntry, components: Mapping[str, nn.Module], notes: list[str]) -> LoraDeltas:
    """Returns what all LoRAs of the entry add to the weights of these components.

    notes: sentences for the user are added to it. Raises Problem if a LoRA does not fit the model.
    """
    deltas: LoraDeltas = {name: defaultdict(list) for name in components}
    for setting, lora in entry.lora_files().items():
        if lora.strength == 0:
            continue
        file = open_weights(lora.file, setting)
        key = setting.partition("[")[0]
        found = recognize(file.shapes)
        if found.kind != KINDS[key] or found.family not in ("", "SD1.5"):
            raise file.refuse(f"is {found}", EXPECTED[key])
        for component, layer, delta in _read(file, components, lora.strength, notes):
            deltas[component][layer].append(delta)
    return deltas


@torch.no_grad()
def add_deltas(deltas: Mapping[str, list[LoraDelta]], module: nn.Module) -> None:
    """Adds all LoRAs of a layer at once, in float32, so that half precision rounds only once."""
    for layer, layer_deltas in deltas.items():
        weight = module.get_submodule(layer).weight
        total = sum(delta.matrix(weight.device) for delta in layer_deltas)
        weight.copy_(weight.float() + total.reshape(weight.shape))


def _read(file: WeightFile, components: Mapping[str, nn.Module], strength: float, notes: list[str]):
    """Yields (component, layer, delta). Raises Problem if a layer is unknown or incomplete, or does not fit."""
    grouped: dict[tuple[str, str], dict[str, Tensor]] = defaultdict(dict)
    known = _layer_names(components)
    for key, tensor in _own_tensors(file, notes).items():
        match = ROLE.search(key)
        target = known.get(_plain(key[: match.start()])) if match else None
        if target is None:
            raise _unknown(file, key, known)
        role = match["a"] or match["b"] or match["c"] or match["d"]
        grouped[target][ROLES.get(role, role)] = tensor
    scales = read_scales(file, notes)
    for (component, layer), parts in grouped.items():
        if not {"up", "down"} <= parts.keys():
            raise file.refuse(f"is incomplete: {layer} has only its {' and '.join(parts)}", AGAIN)
        _check_sizes(file, layer, parts, components[component].get_submodule(layer).weight)
        alpha = float(parts["alpha"]) if "alpha" in parts else None
        factor = scales.factor(component, layer, parts["down"].shape[0], alpha)
        yield component, layer, LoraDelta(parts["up"], parts["down"], strength * factor)


def _own_tensors(file: WeightFile, notes: list[str]) -> dict[str, Tensor]:
    """Returns the tensors of the LoRA. A note names textual inversions that are bundled with it."""
    tensors = file.tensors()
    bundled = {name.split(".")[1] for name in tensors if name.startswith(BUNDLED)}
    if bundled:
        named = ", ".join(sorted(bundled))
        notes.append(
            Sentence(
                "{path} also contains the textual inversion {named}, which is not used.",
                path=file.path.name,
                named=named,
            )
        )
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(BUNDLED)}


def _unknown(file: WeightFile, key: str, known: Mapping[str, tuple[str, str]]) -> Problem:
    """The error about a layer that the model does not have, or a kind of tensor that is not supported."""
    parts = key.split(".")
    if any(_plain(".".join(parts[:i])) in known for i in range(1, len(parts))):
        return file.refuse(f"holds {key}, which does not belong to a plain LoRA", "Choose a plain LoRA.")
    hint = UNFIT.get(file.setting.partition("[")[0], UNFIT["loras"])
    return file.refuse(f"changes {key}, which this model does not have", hint)


def _layer_names(components: Mapping[str, nn.Module]) -> dict[str, tuple[str, str]]:
    """Maps every spelling of a layer's name, with dots as underscores, to (component, layer)."""
    known: dict[str, tuple[str, str]] = {}
    for component, module in components.items():
        for layer, part in module.named_modules():
            if isinstance(part, nn.Linear | nn.Conv2d):
                for start in _prefixes(component):
                    known[(start + layer).replace(".", "_")] = component, layer
    return known


def _prefixes(component: str) -> list[str]:
    if component == "unet":
        return ["", "unet.", "lora_unet."]
    named = [f"{start}text_model." for start in ("text_encoder.", "lora_te.", "lora_te1.")]
    return [*named, *(start.removesuffix("text_model.") for start in named)]


def _plain(name: str) -> str:
    """Returns the name of a layer, in any layout, as `_layer_names` spells it."""
    name = name.removeprefix("base_model.model.").replace(".processor", "")
    (name,) = convert_animatediff_checkpoint_to_diffusers({name: None})
    start, dot, last = name.rpartition(".")
    if name.startswith("text_encoder."):
        last = TEXT_NAMES.get(last, last)
    elif last == "to_out":
        last = "to_out.0"
    return (start + dot + last).replace(".", "_")


def _check_sizes(file: WeightFile, layer: str, parts: Mapping[str, Tensor], weight: Tensor) -> None:
    up, down = parts["up"].shape, parts["down"].shape
    made = (up[0], math.prod(down[1:]))
    wanted = (weight.shape[0], math.prod(weight.shape[1:]))
    if made != wanted or math.prod(up[1:]) != down[0]:
        sizes = f"its {layer} is {made[0]} x {made[1]}, this model's is {wanted[0]} x {wanted[1]}"
        raise file.refuse(f"is {Found('LoRA')} for another architecture: {sizes}", "Choose one made for SD1.5.")
