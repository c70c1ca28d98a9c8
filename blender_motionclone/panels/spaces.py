"""One panel in both sidebars: the 3D view's and the sequencer's."""

from __future__ import annotations

import bpy

from ..showing import TAB

SPACES = {"VIEW_3D": "", "SEQUENCE_EDITOR": "_sequencer"}  # what is added to a class's name there


def in_both_sidebars(body: type) -> tuple[type, ...]:
    """The panels that have the body's `draw`, `bl_label` and so on, one a space. `parent`: the body of the panel that
    they lie in, if any."""
    return tuple(_panel(body, space) for space in SPACES)


def _panel(body: type, space: str) -> type:
    name = body.__name__ + SPACES[space]
    place = {"bl_idname": name, "bl_space_type": space, "bl_region_type": "UI", "bl_category": TAB}
    parent = getattr(body, "parent", None)
    if parent is not None:
        place["bl_parent_id"] = parent.__name__ + SPACES[space]
    return type(name, (body, bpy.types.Panel), place | {"__doc__": body.__doc__, "__module__": body.__module__})
