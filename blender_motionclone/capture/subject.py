"""Whose motion is cloned, where not everything's is."""

from __future__ import annotations

import bpy

from ..errors import UserError
from .stage import NAME, Stage


def chosen_subject(context: bpy.types.Context) -> tuple[str, ...]:
    """Full names of the objects in the mask's collection, else of the selected ones and what is parented to them."""
    collection = context.scene.motionclone.mask_collection
    if collection:
        chosen = list(collection.all_objects)
    else:
        selected = context.view_layer.objects.selected
        chosen = [part for item in selected for part in (item, *item.children_recursive)]
    if not chosen:
        what = f"The collection {collection.name!r} is empty" if collection else "No object is selected"
        raise UserError(
            f"{what}, so there is no subject for the mask.",
            "Select the objects whose motion shall be cloned, choose a collection under Subject, or turn off the mask.",
        )
    return tuple(dict.fromkeys(item.name_full for item in chosen))


def hold_out_others(stage: Stage, subject: tuple[str, ...]) -> bpy.types.Collection:
    """Makes everything but the subject a hole in the picture that still hides what is behind it.

    Returns the collection that does it, for the caller to remove.
    """
    layer = stage.view_layer
    others = [item for item in _rendered(layer.layer_collection) if item.name_full not in subject]
    hole = bpy.data.collections.new(NAME)
    for item in dict.fromkeys(others):
        hole.objects.link(item)
    stage.scene.collection.children.link(hole)
    layer.layer_collection.children[hole.name].holdout = True
    return hole


def _rendered(layer: bpy.types.LayerCollection):
    """The objects that a render shows: a hole must not bring to light what is hidden."""
    if layer.exclude or layer.collection.hide_render:
        return
    yield from layer.collection.objects
    for child in layer.children:
        yield from _rendered(child)
