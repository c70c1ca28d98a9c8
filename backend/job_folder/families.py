"""Families of settings, such as the published values, and how a request's settings are resolved. Standard library
only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from .declared import SettingError, declarations
from .names import nearest
from .settings import Settings

CONTEXTS = ("context_length", "context_overlap", "context_stride")
# The published values. What depends on the device, the model and the user is left out.
_PAPER = {
    key: value
    for key, value in asdict(Settings()).items()
    if key not in ("frames", *CONTEXTS, "motion_strength", "clip_skip", "precision", "deterministic", "memory")
}
OWN_FAMILIES = ("draft", "quality")  # each model entry may define its own values
FAMILIES: dict[str, dict[str, Any]] = {
    "default": {},  # the model entry's own values, found by measuring
    **{name: {} for name in OWN_FAMILIES},
    "paper": _PAPER,
    "paper-object": _PAPER | {"steps": 300, "guided_steps": 180, "guided_range": 0.4},
    "inversion": _PAPER
    | {
        "method": "inversion",
        "steps": 300,
        "guided_steps": 180,
        "inversion_steps": 1000,
        "cool_down_steps": 0,
        "motion_weight": 1.0,
        "guidance_blocks": ("up_blocks.1", "up_blocks.2"),
        "block_weights": (20000.0, 10000.0),
        "semantic_weights": (500.0,),
    },
    "paper-image": _PAPER | {"guided_steps": 40},
    "paper-sketch": _PAPER | {"steps": 200, "guided_steps": 120, "guided_range": 0.4},
}


def resolve(model_defaults: Mapping[str, Any], chosen: Mapping[str, Any]) -> Settings:
    """Combines the model entry's settings, the family named in `chosen` ('family') and `chosen` itself, in that order.

    Raises SettingError when a setting is unknown or invalid, or when settings contradict each other.
    """
    settings = Settings(**typed_values(dict(model_defaults) | typed_values(chosen)))
    _check_together(settings)
    return settings


def typed_values(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The chosen settings and those of their family, each converted to its type and checked. Raises SettingError.

    Whether the values fit together is only known with the model's own settings: see `resolve`.
    """
    known = declarations(Settings)
    family = chosen.get("family", "default")
    if family not in FAMILIES:
        raise SettingError("There is no settings family {family}{near}").about(
            family=repr(family), near=nearest(str(family), FAMILIES)
        )
    values = FAMILIES[family] | {k: v for k, v in chosen.items() if k != "family"}
    for key in values:
        if key not in known:
            raise SettingError("There is no setting {key}{near}").about(
                key=repr(key), near=nearest(key, [*known, "family"])
            )
    return {key: known[key].typed(value) for key, value in values.items()}


def _check_together(s: Settings) -> None:
    """Raises SettingError for settings that are valid alone but contradict each other."""
    if s.guided_steps > s.steps:
        raise SettingError("guided_steps is {guided_steps}; it cannot exceed steps, which is {steps}.").about(
            guided_steps=s.guided_steps, steps=s.steps
        )
    for weights, blocks in (("block_weights", "guidance_blocks"), ("semantic_weights", "semantic_blocks")):
        given, named = getattr(s, weights), getattr(s, blocks)
        if given and len(given) != len(named):
            raise SettingError("{weights} has {count} values, but {blocks} has {number} blocks.").about(
                weights=weights, count=len(given), blocks=blocks, number=len(named)
            )
    if len(s.mask_thresholds) != 2:
        raise SettingError("mask_thresholds has {count} values; it must have two.").about(count=len(s.mask_thresholds))
    if s.method == "inversion" and (s.sampler != "ddim" or s.reuse_gradient > 1):
        raise SettingError("The method inversion requires sampler ddim and reuse_gradient 1.")
