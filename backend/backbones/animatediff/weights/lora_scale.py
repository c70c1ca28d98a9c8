"""The scale of a LoRA: alpha / rank, or alpha / sqrt(rank) if it is rank-stabilized (rsLoRA, arXiv:2312.03732).

alpha is stored with each layer (kohya), in the file's metadata (diffusers), or in adapter_config.json beside the file
(PEFT).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....job_folder.problem import Sentence
from ....job_folder.reading import parse_json, read_json
from .files import AGAIN, WeightFile

PLAIN_STARTS = (
    None,
    True,
    False,
    "gaussian",
    "eva",
    "orthogonal",
)  # init_lora_weights that do not change the base model
MAX_CONFIG_BYTES = 1_000_000  # bytes
STABILIZED = re.compile(r'"(rs_lora|rank_stabilized|use_rslora)": *"?true', re.IGNORECASE)
PLAIN = "Choose a plain LoRA, or have it converted to one."


@dataclass(frozen=True)
class Scales:
    """The scales in the adapter's config.

    facts: by "unet.lora_alpha" and so on, or by "lora_alpha" for all components.
    """

    facts: Mapping[str, Any]

    def of(self, component: str, key: str) -> Any:
        """Returns a value for a component, None if it is not set."""
        return self.facts.get(f"{component}.{key}", self.facts.get(key))

    def factor(self, component: str, layer: str, rank: int, alpha: float | None) -> float:
        """Returns the factor of up @ down.

        alpha: the value stored with the layer. It has priority, and is already adapted to the plain rank.
        """
        if alpha is not None:
            return alpha / rank
        pattern = self.of(component, "alpha_pattern") or {}
        named = (value for key, value in pattern.items() if re.match(rf"(.*\.)?({key})$", layer))
        given = next(named, self.of(component, "lora_alpha"))
        alpha = float(rank if given is None else given)
        return alpha / (math.sqrt(rank) if self.of(component, "use_rslora") else rank)


def read_scales(file: WeightFile, notes: list[str]) -> Scales:
    """Reads the scales from a file or from adapter_config.json beside it.

    notes: sentences for the user are added to it. Raises Problem for an adapter that is not a plain LoRA.
    """
    beside = file.path.with_name("adapter_config.json")
    try:
        if metadata := file.metadata.get("lora_adapter_metadata"):
            facts = parse_json(metadata.encode())
        elif beside.is_file() and file.path.name == "adapter_model.safetensors":
            facts = read_json(beside, MAX_CONFIG_BYTES)
        else:
            facts = {}
        facts.items()
    except (OSError, ValueError, AttributeError):
        raise file.refuse("has unreadable metadata about its scale", AGAIN) from None
    _check(file, facts)
    is_peft = any(name.startswith("base_model.model.") for name in file.shapes)
    if is_peft and not facts and not any(name.endswith("alpha") for name in file.shapes):
        notes.append(Sentence("{path} does not contain its alpha; the rank was used instead.", path=file.path.name))
    if STABILIZED.search(file.metadata.get("ss_network_args", "")):
        notes.append(Sentence("{path} was trained rank-stabilized; its alpha was used unchanged.", path=file.path.name))
    return Scales(facts)


def _check(file: WeightFile, facts: Mapping[str, Any]) -> None:
    for key, value in facts.items():
        name = key.rpartition(".")[2]
        if name == "use_dora" and value:
            raise file.refuse("is a DoRA by its metadata", PLAIN)
        if name == "init_lora_weights" and value not in PLAIN_STARTS:
            raise file.refuse(f"began as {value}, which changes the base model too", PLAIN)
        if name == "peft_type" and value not in (None, "LORA"):
            raise file.refuse(f"is a {value} by its metadata", PLAIN)
        if name == "lora_bias" and value or name == "bias" and value not in (None, "none"):
            raise file.refuse("trains biases too", PLAIN)
