"""How a take is sampled: names, meanings, bounds and families of settings. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from .names import nearest


class SettingError(ValueError):
    """A setting that does not exist or cannot have this value; the text is for the user."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that shapes a take besides its prompt, seed, model and reference clip."""

    frames: int = 16  # of the model's clip
    method: str = "one-step"  # how the motion is read: 'one-step' from one noised pass, 'inversion' from DDIM inversion
    sampler: str = "ddim"  # as published; 'dpm++2m' and 'euler' take fewer steps, 'lcm' 4 to 8 with weights for it
    steps: int = 100  # denoising steps N
    guided_steps: int = 50  # the first G of them follow the reference's motion
    guided_range: float = 0.3  # share q of the noise schedule that the guided steps cover, from pure noise down
    warm_up_steps: int = 10  # guidance rises over the first W guided steps
    cool_down_steps: int = 10  # and falls over the last C
    motion_weight: float = 2000.0  # strength of the guidance; 0 is plain generation
    motion_strength: float = 1.0  # times motion_weight: 1 as tuned for the model or published, 0 is plain generation
    reuse_gradient: int = 1  # the gradient is computed in every kth guided step and used again in those between
    reuse_negative: int = 1  # what the negative prompt adds is computed in every kth step of a guided take, likewise
    score_form: str = (
        "raw"  # 'raw': the weighted gradient as published; 'relative': motion_weight is its share of |eps|
    )
    mean_shift: bool = True  # whether the score may shift a frame's mean, as published; off, colours drift less
    cfg_scale: float = 7.5  # classifier-free guidance
    clip_skip: int = 1  # which layer of the text encoder is read: 1 the last, 2 the one before, as many models want
    cfg_form: str = "paper"  # 'paper': c + s (c - u), an effective scale of s + 1; 'standard': u + s (c - u)
    representation_timestep: int = 400  # noise level t at which the reference's motion is read
    guidance_blocks: tuple[str, ...] = ("up_blocks.1",)  # whose temporal attention carries the motion
    block_weights: tuple[float, ...] = ()  # one for each of them; 1 each when empty
    top_k: int = 1  # largest entries of each attention row that are kept
    diagonal: bool = True  # whether a frame's attention to itself may be among them
    subject_strength: float = 1.0  # of the guidance where a mask clip shows the subject
    background_strength: float = 0.0  # and elsewhere; both count only when there is a mask clip
    score_clamp: float = 0.0  # most that one entry of the gradient may be; 0 is no limit
    inversion_steps: int = 0  # of the inversion method; 0 is as many as `steps`, 1000 fits any
    semantic_blocks: tuple[str, ...] = ("up_blocks.1",)  # whose keys keep the looks in the inversion method
    semantic_weights: tuple[float, ...] = (0.0,)  # one for each of them; 0 leaves that term out
    semantic_keys: str = "temp"  # 'temp': of temporal, 'spatial': of spatial self-attention
    mask_thresholds: tuple[float, ...] = (0.3, 0.3)  # of masks guessed from attention: in the reference, in the take
    image_strength: float = 1.0  # of the pictures given at chosen frames; 0 is as if there were none
    sketch_strength: float = 1.0  # of the sketches
    depth_strength: float = 1.0  # of the depth clip
    depth_end: float = 1.0  # share of the noise schedule, from pure noise down, over which depth holds
    precision: str = "auto"  # of the UNet; 'auto': what the device works well in. Shapes speed more than the look
    deterministic: bool = False  # whether the same job gives the same clip bit for bit; takes longer
    memory: str = "auto"  # 'fast' keeps most, 'thrifty' least and takes longer; 'auto': the fastest that fits

    @property
    def guidance_weight(self) -> float:
        return self.motion_weight * self.motion_strength

    @property
    def is_guided(self) -> bool:
        """Whether a motion changes anything."""
        return self.guidance_weight > 0 and self.guided_steps > 0


# The authors' settings for camera motion are the field defaults above.
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

CHOICES = {
    "method": ("one-step", "inversion"),
    "semantic_keys": ("temp", "spatial"),
    "sampler": ("ddim", "dpm++2m", "euler", "lcm"),
    "score_form": ("raw", "relative"),
    "cfg_form": ("paper", "standard"),
    "precision": ("auto", "float32", "bfloat16", "float16"),
    "memory": ("auto", "fast", "balanced", "thrifty"),
}
BOUNDS: dict[str, tuple[float, float]] = {
    "frames": (2, 128),
    "steps": (1, 1000),
    "guided_steps": (0, 1000),
    "guided_range": (0.01, 0.99),
    "warm_up_steps": (0, 1000),
    "cool_down_steps": (0, 1000),
    "motion_weight": (0, 1e7),
    "motion_strength": (0, 10),
    "reuse_gradient": (1, 1000),
    "reuse_negative": (1, 1000),
    "cfg_scale": (0, 100),
    "clip_skip": (1, 12),
    "representation_timestep": (0, 999),
    "top_k": (1, 128),
    "block_weights": (0, 1e7),
    "subject_strength": (0, 10),
    "background_strength": (0, 10),
    "score_clamp": (0, 1e7),
    "inversion_steps": (0, 1000),
    "semantic_weights": (0, 1e7),
    "mask_thresholds": (0, 1),
    "image_strength": (0, 2),
    "sketch_strength": (0, 2),
    "depth_strength": (0, 2),
    "depth_end": (0, 1),
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
    known = {f.name: f for f in fields(Settings)}
    family = chosen.get("family", "default")
    if family not in FAMILIES:
        raise SettingError(f"There is no settings family {family!r}{nearest(str(family), FAMILIES)}")
    values = FAMILIES[family] | {k: v for k, v in chosen.items() if k != "family"}
    for key in values:
        if key not in known:
            raise SettingError(f"There is no setting {key!r}{nearest(key, [*known, 'family'])}")
    return {key: _typed(key, value, str(known[key].type)) for key, value in values.items()}


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


def _typed(key: str, value: Any, kind: str) -> Any:
    """`value`, which may be text from a command line, as the setting's own type and within its bounds."""
    try:
        typed = _PARSERS[kind](value)
    except (TypeError, ValueError):
        raise SettingError(f"{key} cannot be {value!r}; it must be {_KIND_NAMES[kind]}.") from None
    low, high = BOUNDS.get(key, (0, 0))
    if key in BOUNDS and not all(low <= number <= high for number in (typed if isinstance(typed, tuple) else [typed])):
        raise SettingError(f"{key} is {value}; it must lie between {low:g} and {high:g}.")
    if key in CHOICES and typed not in CHOICES[key]:
        raise SettingError(f"{key} is {typed!r}; it can be {' or '.join(CHOICES[key])}.")
    return typed


def _integer(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(value)
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError(value)
    return float(value)


def _truth(value: Any) -> bool:
    word = str(value).lower()
    if word not in _TRUTHS:
        raise ValueError(value)
    return _TRUTHS[word]


def _texts(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else list(value)
    texts = tuple(part.strip() for part in parts)
    if not texts or not all(texts):
        raise ValueError(value)
    return texts


def _numbers(value: Any) -> tuple[float, ...]:
    parts = value.split(",") if isinstance(value, str) else list(value)
    return tuple(_number(part) for part in parts)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    return value


_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_PARSERS = {
    "int": _integer,
    "float": _number,
    "bool": _truth,
    "str": _text,
    "tuple[str, ...]": _texts,
    "tuple[float, ...]": _numbers,
}
_KIND_NAMES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "tuple[str, ...]": "names with commas between them",
    "tuple[float, ...]": "numbers with commas between them",
}
