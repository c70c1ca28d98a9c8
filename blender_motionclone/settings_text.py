"""The settings field, `name=value name=value`, and the presets in presets/*.toml. Without bpy."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..backend.job_folder.clip_length import automatic_frames, context_count, context_length, context_overlap
from ..backend.job_folder.declared import Declaration, SettingError, declarations, parse_assignment, typed_text
from ..backend.job_folder.families import typed_values
from ..backend.job_folder.problem import Problem
from ..backend.job_folder.request import Shot
from ..backend.job_folder.settings import Settings

KNOWN: dict[str, Declaration] = declarations(Settings)
MAX = 5000  # in characters; panels read it repeatedly, and a .blend can contain any length


def parse_settings(text: str) -> dict[str, Any]:
    """{"steps": "20"} from "steps=20"; names and values are those of `python -m backend clone --set`."""
    if len(text) > MAX:
        raise Problem("Settings: more than {most} characters.", "For example, write: steps=20 cfg_scale=3").about(
            most=MAX
        )
    try:
        assignments = [parse_assignment(part) for part in shlex.split(text)]
    except ValueError as error:  # an unclosed quote, or no name=value
        raise Problem("Settings: {reason}.", "For example, write: steps=20 cfg_scale=3").about(
            reason=str(error).rstrip(".")
        ) from None
    settings = dict(assignments)
    if len(settings) < len(assignments):
        raise Problem("Settings: a name occurs twice.", "Remove one of the two.")
    return settings


def clip_length(settings: dict[str, Any], model: dict[str, Any], shot: Shot) -> tuple[int, int]:
    """The number of frames of a shot's reference, and of the contexts of its clip. Problem for an impossible value.

    model: an entry from `python -m backend models --json` ("frames", "most_frames", "rate").
    """
    own, most, rate = model["frames"], model["most_frames"], model.get("rate", 0)  # older workers have no rate
    try:
        chosen = typed_values(settings)
    except SettingError as error:
        raise Problem("Settings: {reason}", "Correct it, or clear the field to use the model's own settings.").about(
            reason=error
        ) from None
    names = ("frames", "context_length", "context_overlap")
    family = str(settings.get("family", "default"))
    asked, length, overlap = (chosen[n] if n in chosen else own_value(n, model, family) for n in names)
    frames = asked or automatic_frames(shot.frames, shot.fps, own, rate)
    at_once = {"context_length": length or 0} if rate else {"frames": frames}
    for name, count in at_once.items():
        if count > most:
            raise Problem(
                "Settings: {name} is {count}, but the model {model} allows at most {most}.", "Reduce it."
            ).about(name=name, count=count, model=repr(model["name"]), most=most)
    length = context_length(length, asked, own, most)
    return frames, context_count(frames, length, context_overlap(overlap, length)) if rate else 1


@lru_cache(maxsize=64)
def given(text: str) -> dict[str, Any]:
    """{"steps": 20} of the valid settings in a text. `parse_settings` and `clip_length` report the invalid ones."""
    try:
        chosen = parse_settings(text)
    except Problem:
        return {}
    found = {}
    for name, value in chosen.items():
        try:
            found[name] = value if name == "family" else KNOWN[name].typed(value)
        except (KeyError, SettingError):
            continue
    return found


def with_value(text: str, name: str, value: Any) -> str:
    """Sets this setting in the text, replacing an earlier value. An empty value is not written."""
    said = typed_text(value)
    return " ".join(filter(None, [without(text, [name]), said and shlex.quote(f"{name}={said}")]))


def without(text: str, names: Iterable[str]) -> str:
    """Removes these settings from the text; the rest stays as it was typed."""
    try:
        parts = shlex.split(text)
    except ValueError:
        return text
    kept = [part for part in parts if part.partition("=")[0].strip() not in set(names)]
    return text if len(kept) == len(parts) else " ".join(map(shlex.quote, kept))


def own_value(name: str, model: dict[str, Any] | None, family: str) -> Any:
    """The setting's value if the text has none: the model's own in this family, or else the declared default."""
    told = (model or {}).get("values", {}).get(family, {}).get(name)
    try:
        return KNOWN[name].default if told is None else KNOWN[name].typed(told)
    except SettingError:  # from a worker of another version
        return KNOWN[name].default


FOLDER = Path(__file__).parent / "presets"


@dataclass(frozen=True)
class ShippedPreset:
    """values: by names of MotionCloneSettings' properties."""

    name: str
    title: str
    description: str
    values: dict[str, Any]


def read_presets(folder: Path) -> tuple[ShippedPreset, ...]:
    """In the order of the file names. The leading number is not part of the preset's name."""
    return tuple(_read(path) for path in sorted(folder.glob("*.toml")))


def _read(path: Path) -> ShippedPreset:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return ShippedPreset(name=path.stem.partition("-")[2], **content)


SHIPPED = read_presets(FOLDER)
