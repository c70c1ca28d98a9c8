"""Blender's settings lent for a while and given back whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bpy

# What a capture may change, and what Blender changes along with it (a file format resets depth and codec).
LENT = ("render", "render.image_settings", "render.ffmpeg", "view_settings", "display_settings")

# A later one is valid only under an earlier one: 5.x offers a media type's file formats only, a device's views only.
FIRST = (
    "media_type",
    "file_format",
    "color_mode",
    "color_depth",
    "format",
    "codec",
    "display_device",
    "view_transform",
)

_VALUES = {"BOOLEAN", "INT", "FLOAT", "STRING", "ENUM"}


@contextmanager
def preserved(scene: bpy.types.Scene) -> Iterator[None]:
    """Inside the block settings, frame and camera of `scene` may be changed; afterwards they are as before."""
    frame, subframe, camera = scene.frame_current, scene.frame_subframe, scene.camera
    before = {path: snapshot(scene.path_resolve(path)) for path in LENT}
    try:
        yield
    finally:
        for path, values in before.items():
            restore(scene.path_resolve(path), values)
        scene.frame_set(frame, subframe=subframe)
        scene.camera = camera  # markers bound to cameras switch it in frame_set


def snapshot(owner: bpy.types.bpy_struct) -> dict[str, Any]:
    """name -> value of every setting that can be written, those first that others depend on."""
    names = [p.identifier for p in owner.bl_rna.properties if p.type in _VALUES and not p.is_readonly]
    names.sort(key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    return {name: _value(owner, name) for name in names}


def restore(owner: bpy.types.bpy_struct, values: dict[str, Any]) -> None:
    """Writes back what differs."""
    for name, value in values.items():
        if _value(owner, name) != value:
            setattr(owner, name, value)


def _value(owner: bpy.types.bpy_struct, name: str) -> Any:
    value = getattr(owner, name)
    return tuple(value) if owner.bl_rna.properties[name].type == "FLOAT" and hasattr(value, "__len__") else value
