"""The scene whose form and takes a panel or a button uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy


def sequence_scene(context: bpy.types.Context) -> bpy.types.Scene:
    """The scene whose strips the sequencer shows. In Blender 5 the workspace can name one."""
    return getattr(context, "sequencer_scene", None) or context.scene


def form_scene(context: bpy.types.Context) -> bpy.types.Scene:
    """In a sequencer, the scene whose strips it shows; elsewhere, the window's scene."""
    in_sequencer = context.area is not None and context.area.type == "SEQUENCE_EDITOR"
    return sequence_scene(context) if in_sequencer else context.scene


@contextmanager
def in_scene(scene: bpy.types.Scene) -> Iterator[bpy.types.Context]:
    """Yields a context of that scene for the block. It is the window's own context if that shows the scene."""
    context = bpy.context
    if context.scene == scene:
        yield context
        return
    with context.temp_override(scene=scene, view_layer=scene.view_layers[0]):
        yield bpy.context
