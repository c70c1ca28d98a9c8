"""The animation of a scene's own properties, which drivers of its objects may read.

A stage is a copy of the scene. It keeps that animation, except for settings that a capture sets itself. Drivers that
refer to the user's scene do not read the copy. So the user's scene is given the copy's values while one frame is
rendered, and its own values again before Blender continues.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import bpy

# Paths of a scene that a capture sets itself.
SET_BY_CAPTURES = ("render.", "view_settings.", "display_settings.", "display.", "sequencer_colorspace_settings.")
SET_BY_CAPTURES += ("view_layers[", "cycles.", "eevee.", "frame_", "use_nodes", "compositing_node_group")
SEQUENCE = "sequence_editor."
OF_THE_WINDOW = (bpy.types.WindowManager, bpy.types.Screen, bpy.types.WorkSpace)
UNFIT = (AttributeError, KeyError, TypeError, ValueError)  # a property is gone, read-only or of another type


@contextmanager
def own_animation(copy: bpy.types.Scene) -> Iterator[list[str]]:
    """Removes the animation of paths that a capture sets itself from a copied scene. Yields the paths that are still
    animated."""
    data = copy.animation_data
    if data is None:
        yield []
        return
    for driver in [driver for driver in data.drivers if driver.data_path.startswith(SET_BY_CAPTURES)]:
        data.drivers.remove(driver)
    for track in [track for track in data.nla_tracks if _sets(_paths_in(track))]:
        data.nla_tracks.remove(track)
    action = data.action
    if action and _sets(_paths(action, _slot(data))):
        data.action = action.copy()
        for curves in _curves(data.action, _slot(data)):
            for curve in [curve for curve in curves if curve.data_path.startswith(SET_BY_CAPTURES)]:
                curves.remove(curve)
    own = data.action.name if data.action and data.action != action else ""
    try:
        yield [path for path in animated_paths(data) if not path.startswith(SEQUENCE)]
    finally:
        if own and (left := bpy.data.actions.get(own)):
            bpy.data.actions.remove(left)


def _sets(paths: list[str]) -> bool:
    return any(path.startswith(SET_BY_CAPTURES) for path in paths)


def animated_paths(data: bpy.types.AnimData) -> list[str]:
    """Paths that its action, its NLA strips and its drivers animate."""
    paths = [driver.data_path for driver in data.drivers]
    for track in data.nla_tracks:
        paths += _paths_in(track)
    if data.action:
        paths += _paths(data.action, _slot(data))
    return list(dict.fromkeys(paths))


def _paths_in(track: bpy.types.NlaTrack) -> list[str]:
    return [path for strip in track.strips if strip.action for path in _paths(strip.action, _slot(strip))]


def _paths(action: bpy.types.Action, slot: Any) -> list[str]:
    return [curve.data_path for curves in _curves(action, slot) for curve in curves]


def _slot(owner: bpy.types.AnimData | bpy.types.NlaStrip) -> Any:
    return getattr(owner, "action_slot", None)  # 4.4


def _curves(action: bpy.types.Action, slot: Any) -> list[Any]:
    """The F-curve collections that animate the slot's owner. Since 4.4 one action can have several slots."""
    if not hasattr(action, "layers"):
        return [action.fcurves]
    if slot is None:
        return []
    bags = [strip.channelbag(slot) for layer in action.layers for strip in layer.strips]
    return [bag.fcurves for bag in bags if bag]


def read_by_others(scene: bpy.types.Scene) -> bool:
    """Whether a driver, or anything else, refers to the scene."""
    users = bpy.data.user_map(subset=[scene]).get(scene, set())
    return any(user != scene and not isinstance(user, OF_THE_WINDOW) for user in users)


@dataclass(frozen=True)
class SceneValues:
    """scene: the full name of the user's scene; paths: the animated ones."""

    scene: str
    paths: tuple[str, ...]

    @contextmanager
    def of(self, seen: bpy.types.Scene) -> Iterator[None]:
        """Gives the user's scene the evaluated values of its copy, inside the block, without changing its frame."""
        scene = next((scene for scene in bpy.data.scenes if scene.name_full == self.scene), None)
        before: list[tuple[str, Any]] = []
        try:
            for path in self.paths if scene else ():
                with suppress(*UNFIT):
                    value = value_at(seen, path)
                    before.append((path, value_at(scene, path)))
                    _set(scene, path, value)
            yield
        finally:
            for path, value in before:
                with suppress(*UNFIT):
                    _set(scene, path, value)


def value_at(owner: bpy.types.ID, path: str) -> Any:
    """The value at that path of the data-block, as a copy."""
    holder, key, by_name = _holder(owner, path)
    value = holder[key] if by_name else getattr(holder, key)
    if hasattr(value, "to_list"):
        return value.to_list()
    is_array = hasattr(value, "foreach_get") or hasattr(value, "freeze")  # arrays, and vectors, which are live
    return tuple(value) if is_array else value


def write_at(owner: bpy.types.ID, path: str, value: Any) -> None:
    """Sets the value without evaluating the owner's animation, which would overwrite it."""
    holder, key, by_name = _holder(owner, path)
    if not by_name:
        setattr(holder, key, value)
        return
    holder[key] = value
    if isinstance(owner, bpy.types.Object):
        owner.update_tag(refresh={"OBJECT"})


def _set(owner: bpy.types.ID, path: str, value: Any) -> None:
    write_at(owner, path, value)
    owner.update_tag()


def _holder(owner: bpy.types.ID, path: str) -> tuple[Any, str, bool]:
    """The owner of the property, its name there, and whether it is a custom property."""
    if found := re.fullmatch(r'(.*?)\["((?:[^"\\]|\\.)*)"\]', path):
        return _resolved(owner, found[1]), bpy.utils.unescape_identifier(found[2]), True
    before, _, name = path.rpartition(".")
    return _resolved(owner, before), name, False


def _resolved(owner: bpy.types.ID, path: str) -> Any:
    return owner.path_resolve(path) if path else owner
