"""How a take is sampled: names, meanings, bounds and families of settings. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .declared import SettingError, declarations, setting
from .names import nearest

SAMPLING, MOTION, INVERSION, CONDITIONS, DEVICE = "Sampling", "Motion", "Inversion", "Pictures and Masks", "Device"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that shapes a take besides its prompt, seed, model and reference clip. Each is declared here and
    nowhere else; the defaults are those that the paper has for camera motion."""

    frames: int = setting(
        16, "Frames", "Frames of the model's own clip; each model has a maximum", SAMPLING, (2, 128), basic=True
    )
    method: str = setting(
        "one-step",
        "Method",
        "How the motion is read: one-step from a single noised pass, inversion from the inverted clip",
        MOTION,
        choices=("one-step", "inversion"),
    )
    sampler: str = setting(
        "ddim",
        "Sampler",
        "How a step is made: ddim as published, dpm++2m and euler take fewer steps, lcm 4 to 8 with weights for it",
        SAMPLING,
        choices=("ddim", "dpm++2m", "euler", "lcm"),
    )
    steps: int = setting(100, "Steps", "Denoising steps", SAMPLING, (1, 1000), basic=True)
    guided_steps: int = setting(
        50,
        "Guided Steps",
        "How many of the first steps follow the motion, at most steps",
        MOTION,
        (0, 1000),
        basic=True,
    )
    guided_range: float = setting(
        0.3,
        "Guided Range",
        "Share of the noise schedule that the guided steps cover, from pure noise down",
        MOTION,
        (0.01, 0.99),
    )
    warm_up_steps: int = setting(10, "Warm-Up Steps", "Guided steps over which the score rises", MOTION, (0, 1000))
    cool_down_steps: int = setting(10, "Cool-Down Steps", "Guided steps over which the score falls", MOTION, (0, 1000))
    motion_weight: float = setting(
        2000.0,
        "Motion Weight",
        "The score's weight in the units of score_form; 0 is plain generation",
        MOTION,
        (0, 1e7),
    )
    motion_strength: float = setting(
        1.0,
        "Motion Strength",
        "Times motion_weight: 1 as tuned for the model, 0 is plain generation. Motion Strength in the panel",
        MOTION,
        (0, 10),
    )
    reuse_gradient: int = setting(
        1,
        "Reuse Gradient",
        "The gradient is computed in every so many guided steps only",
        MOTION,
        (1, 1000),
    )
    reuse_negative: int = setting(
        1,
        "Reuse Negative",
        "What the negative prompt adds is computed in every so many steps of a guided take and used again between",
        SAMPLING,
        (1, 1000),
    )
    score_form: str = setting(
        "raw",
        "Score Form",
        "Units of the weight: raw as published, relative as a share of the predicted noise",
        MOTION,
        choices=("raw", "relative"),
    )
    mean_shift: bool = setting(
        True,
        "Mean Shift",
        "Whether the score may shift a frame's mean; without it colors drift less",
        MOTION,
    )
    cfg_scale: float = setting(
        7.5,
        "Prompt Strength",
        "How strongly the prompt pulls (classifier-free guidance)",
        SAMPLING,
        (0, 100),
        basic=True,
    )
    clip_skip: int = setting(
        1, "CLIP Skip", "Which layer of the text encoder is read: 1 the last, 2 the one before", SAMPLING, (1, 12)
    )
    cfg_form: str = setting(
        "paper",
        "Prompt Form",
        "paper pulls by one more than standard at the same number",
        SAMPLING,
        choices=("paper", "standard"),
    )
    representation_timestep: int = setting(
        400, "Reading Timestep", "Noise level at which the motion is read; 999 is pure noise", MOTION, (0, 999)
    )
    guidance_blocks: tuple[str, ...] = setting(
        ("up_blocks.1",), "Guidance Blocks", "Blocks of the model whose temporal attention carries the motion", MOTION
    )
    block_weights: tuple[float, ...] = setting(
        (), "Block Weights", "One for each guidance block; 1 each where there is none", MOTION, (0, 1e7)
    )
    top_k: int = setting(1, "Top K", "Entries kept of each row of attention", MOTION, (1, 128))
    diagonal: bool = setting(True, "Diagonal", "Whether a frame's attention to itself may be kept", MOTION)
    subject_strength: float = setting(
        1.0, "Subject Strength", "Of the score where a mask clip shows the subject", CONDITIONS, (0, 10)
    )
    background_strength: float = setting(
        0.0, "Background Strength", "Of the score where a mask clip shows no subject", CONDITIONS, (0, 10)
    )
    score_clamp: float = setting(
        0.0, "Score Clamp", "The most that one entry of the gradient may be; 0 is no limit", MOTION, (0, 1e7)
    )
    inversion_steps: int = setting(
        0, "Inversion Steps", "Steps of the inversion; 0 is as many as steps, 1000 fits any", INVERSION, (0, 1000)
    )
    semantic_blocks: tuple[str, ...] = setting(
        ("up_blocks.1",), "Semantic Blocks", "Blocks whose keys keep the looks in the inversion method", INVERSION
    )
    semantic_weights: tuple[float, ...] = setting(
        (0.0,), "Semantic Weights", "One for each semantic block; 0 leaves it out", INVERSION, (0, 1e7)
    )
    semantic_keys: str = setting(
        "temp", "Semantic Keys", "Keys of temporal or of spatial attention", INVERSION, choices=("temp", "spatial")
    )
    mask_thresholds: tuple[float, ...] = setting(
        (0.3, 0.3),
        "Mask Thresholds",
        "Of masks guessed from attention: in the reference, in the new clip",
        INVERSION,
        (0, 1),
    )
    image_strength: float = setting(
        1.0, "Picture Strength", "Of the pictures given for frames; 0 is as if there were none", CONDITIONS, (0, 2)
    )
    sketch_strength: float = setting(
        1.0, "Sketch Strength", "Of the sketches given for frames; 0 is as if there were none", CONDITIONS, (0, 2)
    )
    depth_strength: float = setting(
        1.0, "Depth Strength", "Of the depth clip; 0 is as if there were none", CONDITIONS, (0, 2)
    )
    depth_end: float = setting(
        1.0,
        "Depth End",
        "Share of the noise schedule over which depth holds, from pure noise down",
        CONDITIONS,
        (0, 1),
    )
    precision: str = setting(
        "auto",
        "Precision",
        "Of the network that predicts; auto is what the device works well in, float16 needs a GPU",
        DEVICE,
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    deterministic: bool = setting(
        False, "Deterministic", "Whether the same job gives the same clip, bit for bit; takes longer", DEVICE
    )
    memory: str = setting(
        "auto",
        "Memory",
        "What is kept and what is computed again: fast keeps most, thrifty least; hardly changes the clip",
        DEVICE,
        choices=("auto", "fast", "balanced", "thrifty"),
    )

    @property
    def guidance_weight(self) -> float:
        return self.motion_weight * self.motion_strength

    @property
    def is_guided(self) -> bool:
        """Whether a motion changes anything."""
        return self.guidance_weight > 0 and self.guided_steps > 0


# Of the device, the model and the user, not of a published run.
_PAPER = {
    key: value
    for key, value in asdict(Settings()).items()
    if key not in ("frames", "motion_strength", "clip_skip", "precision", "deterministic", "memory")
}
OWN_FAMILIES = ("draft", "quality")  # of which each model entry has its own, if any
FAMILIES: dict[str, dict[str, Any]] = {
    "default": {},  # the model entry's own, found by measuring
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
    """The model entry's settings, overlaid by the family named in `chosen` ('family') and then by `chosen` itself."""
    settings = Settings(**typed_values(dict(model_defaults) | typed_values(chosen)))
    _check_together(settings)
    return settings


def typed_values(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What is chosen with the family's values filled in, each of its own type and within its bounds.

    Whether the values go together is known only with the model's own settings: see `resolve`.
    """
    known = declarations(Settings)
    family = chosen.get("family", "default")
    if family not in FAMILIES:
        raise SettingError(f"There is no settings family {family!r}{nearest(str(family), FAMILIES)}")
    values = FAMILIES[family] | {k: v for k, v in chosen.items() if k != "family"}
    for key in values:
        if key not in known:
            raise SettingError(f"There is no setting {key!r}{nearest(key, [*known, 'family'])}")
    return {key: known[key].typed(value) for key, value in values.items()}


def _check_together(s: Settings) -> None:
    """SettingError for settings that are right alone but not beside each other."""
    if s.guided_steps > s.steps:
        raise SettingError(f"guided_steps is {s.guided_steps}; it cannot exceed steps, which is {s.steps}.")
    for weights, blocks in (("block_weights", "guidance_blocks"), ("semantic_weights", "semantic_blocks")):
        given, named = getattr(s, weights), getattr(s, blocks)
        if given and len(given) != len(named):
            raise SettingError(f"{weights} has {len(given)} values; {blocks} names {len(named)} blocks.")
    if len(s.mask_thresholds) != 2:
        raise SettingError(f"mask_thresholds has {len(s.mask_thresholds)} values; it must have two.")
    if s.method == "inversion" and (s.sampler != "ddim" or s.reuse_gradient > 1):
        raise SettingError("The method inversion needs sampler ddim and reuse_gradient 1.")


def parse_assignment(text: str) -> tuple[str, str]:
    """'key=value' as typed after --set."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise SettingError(f"{text!r} is not of the form key=value.")
    return key.strip(), value.strip()
