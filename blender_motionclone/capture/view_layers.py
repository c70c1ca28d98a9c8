"""Which view layer a render shows."""

from __future__ import annotations

import bpy

from ..errors import UserError


def rendered_layer(scene: bpy.types.Scene, chosen: bpy.types.ViewLayer | None) -> bpy.types.ViewLayer:
    """The chosen one, unless it is off for rendering: then the first that is on, as in Blender's own renders."""
    used = [layer for layer in scene.view_layers if layer.use]
    if not used:
        raise UserError(
            f"All view layers of scene {scene.name!r} are off for rendering, so Blender renders nothing.",
            "Turn on View Layer > Use for Rendering.",
        )
    return chosen if chosen in used else used[0]
