"""The subject: the objects whose motion is cloned, if not everything's is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import bpy

from ...backend.job_folder.problem import Problem, Sentence
from ..declarations import Operators
from .stage import NAME, Stage


def chosen_subject(context: bpy.types.Context) -> tuple[str, ...]:
    """Full names of the objects in the mask's collection, or of the selected objects and their children."""
    collection = context.scene.motionclone.mask_collection
    chosen = list(collection.all_objects) if collection else _with_children(context.view_layer.objects.selected)
    if not chosen:
        what = Sentence("No object is selected")
        if collection:
            what = Sentence("The collection {name} is empty", name=repr(collection.name))
        raise Problem(
            "{what}, so the mask has no subject.",
            "Select the objects whose motion you want to clone, choose a collection under Subject, or "
            "turn off the mask.",
            repair=Operators.NO_MASK,
        ).about(what=what)
    return tuple(dict.fromkeys(item.name_full for item in chosen))


def _with_children(items: Iterable[bpy.types.Object]) -> list[bpy.types.Object]:
    """Takes one pass over the file's objects; `children_recursive` would take one per object."""
    children: dict[bpy.types.Object, list[bpy.types.Object]] = defaultdict(list)
    for item in bpy.data.objects:
        if item.parent:
            children[item.parent].append(item)
    found: dict[bpy.types.Object, None] = {}
    waiting = list(items)[::-1]
    while waiting:
        item = waiting.pop()
        if item not in found:
            found[item] = None
            waiting.extend(children.get(item, ()))
    return list(found)


def hold_out_others(stage: Stage, subject: tuple[str, ...]) -> bpy.types.Collection:
    """Makes everything but the subject a hole in the picture that still hides what is behind it.

    Returns the collection that does it. The caller removes it.
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
    """The objects that a render shows, because holding out a hidden object would make it visible."""
    if layer.exclude or layer.collection.hide_render:
        return
    yield from layer.collection.objects
    for child in layer.children:
        yield from _rendered(child)
