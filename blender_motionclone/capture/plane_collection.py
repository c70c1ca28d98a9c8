"""Where placed planes are kept, so that they can be hidden at once and a capture can leave them out."""

from __future__ import annotations

import bpy

NAME = "MotionClone Planes"
MARK = "motionclone_planes"


def plane_collection(scene: bpy.types.Scene) -> bpy.types.Collection:
    """The scene's own; a new one where it has none that can be changed."""
    for collection in scene.collection.children:
        if collection.get(MARK) and collection.is_editable:
            return collection
    collection = bpy.data.collections.new(NAME)
    collection[MARK] = True
    scene.collection.children.link(collection)
    return collection


def leave_planes_out(layer: bpy.types.ViewLayer) -> None:
    """An earlier result before the camera is no part of the next reference. Acts on this view layer only."""
    row = list(layer.layer_collection.children)
    while row:
        child = row.pop()
        if child.collection.get(MARK):
            child.exclude = True
        row += child.children
