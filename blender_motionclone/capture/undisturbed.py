"""A capture beside the user's work: what was moved and not keyed yet stays, and what a capture does is no change.

Blender's render operator makes every window evaluate its animation again. That alone would put what is animated back to
its keys, and Blender would tell of it as of a change by the user.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import bpy

from . import filmed
from .scene_animation import UNFIT, animated_paths, value_at, write_at
from .stage import MARK

GONE = (*UNFIT, ReferenceError)  # what a data-block says that was removed meanwhile

Values = dict[tuple[bpy.types.ID, str], Any]


@contextmanager
def undisturbed() -> Iterator[None]:
    """For one step of a capture: inside the block it may render. The user's changes before and after count as such."""
    _update()
    before = _animated()
    try:
        yield
    finally:
        with filmed.own_changes():
            _update()
            if _restore(before):
                _update()


def _update() -> None:
    """All that windows show is evaluated, and Blender tells what has changed."""
    windows = bpy.context.window_manager.windows
    for layer in {bpy.context.view_layer, *(window.view_layer for window in windows)}:
        layer.update()


def _animated() -> Values:
    """The values that animation would write over."""
    values: Values = {}
    for owner in _owners():
        for path in animated_paths(owner.animation_data):
            with suppress(*UNFIT):
                values[owner, path] = value_at(owner, path)
    return values


def _owners() -> Iterator[bpy.types.ID]:
    """What has animation and can be changed, but a stage's."""
    kinds = (p.identifier for p in bpy.data.bl_rna.properties if p.type == "COLLECTION")
    for block in (block for kind in kinds for block in getattr(bpy.data, kind)):
        if not block.is_editable or (isinstance(block, bpy.types.Scene) and block.get(MARK)):
            continue
        for owner in (block, getattr(block, "node_tree", None)):
            if owner and getattr(owner, "animation_data", None):
                yield owner


def _restore(values: Values) -> bool:
    """-> whether a value was another."""
    changed = False
    for (owner, path), value in values.items():
        with suppress(*GONE):
            if value_at(owner, path) != value:
                write_at(owner, path, value)
                changed = True
    return changed
