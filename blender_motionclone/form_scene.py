"""Whose form and takes a panel or a button is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy


def sequence_scene(context: bpy.types.Context) -> bpy.types.Scene:
    """Whose strips the sequencer shows: in Blender 5 the one that the workspace names, if it does, whatever scene the
    window shows."""
    return getattr(context, "sequencer_scene", None) or context.scene


def form_scene(context: bpy.types.Context) -> bpy.types.Scene:
    """In a sequencer the one whose strips it shows, else the window's."""
    in_sequencer = context.area is not None and context.area.type == "SEQUENCE_EDITOR"
    return sequence_scene(context) if in_sequencer else context.scene


@contextmanager
def in_scene(scene: bpy.types.Scene) -> Iterator[bpy.types.Context]:
    """Gives a context of that scene, valid inside the block: the window's own where it shows the scene."""
    context = bpy.context
    if context.scene == scene:
        yield context
        return
    with context.temp_override(scene=scene, view_layer=scene.view_layers[0]):
        yield bpy.context
