"""Captures without disturbing the user: unkeyed changes stay, and the capture itself does not count as a change.

Blender's render operator makes every window evaluate its animation again. That alone would reset animated values to
their keyframes, and Blender would report it like a change by the user.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import bpy

from . import reference_cache
from .scene_animation import UNFIT, animated_paths, value_at, write_at
from .stage import MARK

GONE = (*UNFIT, ReferenceError)  # errors of a data-block that was removed meanwhile

Values = dict[tuple[bpy.types.ID, str], Any]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Wraps one step of a capture, which may render. Changes by the user before and after it count as usual."""
    _update()
    before = _animated()
    try:
        yield
    finally:
        with reference_cache.ignoring_changes():
            _update()
            if _restore(before):
                _update()


def _update() -> None:
    """Evaluates everything that windows show, so that Blender reports all changes."""
    windows = bpy.context.window_manager.windows
    for layer in {bpy.context.view_layer, *(window.view_layer for window in windows)}:
        layer.update()


def _animated() -> Values:
    """The values that animation would overwrite."""
    values: Values = {}
    for owner in _owners():
        for path in animated_paths(owner.animation_data):
            with suppress(*UNFIT):
                values[owner, path] = value_at(owner, path)
    return values


def _owners() -> Iterator[bpy.types.ID]:
    """Data-blocks with animation that can be changed, except those of a stage."""
    kinds = (p.identifier for p in bpy.data.bl_rna.properties if p.type == "COLLECTION")
    for block in (block for kind in kinds for block in getattr(bpy.data, kind)):
        if not block.is_editable or (isinstance(block, bpy.types.Scene) and block.get(MARK)):
            continue
        for owner in (block, getattr(block, "node_tree", None)):
            if owner and getattr(owner, "animation_data", None):
                yield owner


def _restore(values: Values) -> bool:
    """Returns whether a value had changed."""
    changed = False
    for (owner, path), value in values.items():
        with suppress(*GONE):
            if value_at(owner, path) != value:
                write_at(owner, path, value)
                changed = True
    return changed
