"""The presets that MotionClone brings: presets/*.toml. Without bpy."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "presets"


@dataclass(frozen=True)
class ShippedPreset:
    """values: by the names of MotionCloneSettings' properties."""

    name: str
    title: str
    description: str
    values: dict[str, Any]


def read_presets(folder: Path) -> tuple[ShippedPreset, ...]:
    """In the order of their files' names, of which the leading number is not part of the preset's name."""
    return tuple(_read(path) for path in sorted(folder.glob("*.toml")))


def _read(path: Path) -> ShippedPreset:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return ShippedPreset(name=path.stem.partition("-")[2], **content)


SHIPPED = read_presets(FOLDER)
