"""Model entries: TOML files that name a model's components and the settings tuned for it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..errors import JobError
from ..wire.folders import data_folder
from ..wire.names import nearest
from ..wire.settings import SettingError, Settings, resolve

SHIPPED = Path(__file__).parent / "entries"


@dataclass(frozen=True, kw_only=True)
class ClipForm:
    """What clips the model makes.

    frames: as trained; most_frames: at most; area: about so many pixels a frame; multiple: of which sides must be.
    """

    frames: int
    most_frames: int
    area: int
    multiple: int


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """name: what --model takes; folder: a diffusers folder, relative to the entry's file; settings: tuned defaults."""

    name: str
    title: str
    folder: Path
    clip: ClipForm
    settings: dict[str, Any] = field(default_factory=dict)

    def settings_for(self, chosen: Mapping[str, Any]) -> Settings:
        """This model's settings, overlaid by what a job chose. SettingError names a setting that cannot be."""
        settings = resolve({"frames": self.clip.frames} | self.settings, chosen)
        if settings.frames > self.clip.most_frames:
            raise SettingError(
                f"frames is {settings.frames}; the model {self.name!r} makes at most {self.clip.most_frames} frames."
            )
        return settings


def user_entries_folder() -> Path:
    return data_folder() / "models"


def all_entries() -> dict[str, ModelEntry]:
    """The shipped entries, then the user's own, which may not take a shipped name."""
    entries: dict[str, ModelEntry] = {}
    for folder in (SHIPPED, user_entries_folder()):
        for path in sorted(folder.glob("*.toml")) if folder.is_dir() else []:
            entry = read_entry(path)
            if entry.name in entries:
                raise JobError(f"{path} names the model {entry.name!r}, which exists already.", "Give it another name.")
            entries[entry.name] = entry
    return entries


def find_entry(name: str) -> ModelEntry:
    entries = all_entries()
    if name not in entries:
        raise JobError(
            f"There is no model {name!r}{nearest(name, entries)}",
            f"Models here: {', '.join(entries)}. Your own go into {user_entries_folder()}.",
        )
    return entries[name]


def read_entry(path: Path) -> ModelEntry:
    """JobError names the file and the first key that is wrong."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise JobError(f"The model entry {path} cannot be read ({error}).", "Mend or remove the file.") from None
    try:
        clip = ClipForm(**_checked(content.get("clip", {}), ClipForm))
        values = _checked(content, ModelEntry) | {"clip": clip}
        return ModelEntry(**values | {"folder": (path.parent / values["folder"]).resolve()})
    except (TypeError, KeyError) as error:
        raise JobError(
            f"The model entry {path} is not right: {error}.", "Compare it with the shipped entries."
        ) from None


def _checked(content: Any, kind: type) -> dict[str, Any]:
    known = [f.name for f in fields(kind)]
    for key in content:
        if key not in known:
            raise KeyError(f"unknown key {key!r}{nearest(key, known)}")
    return dict(content)
