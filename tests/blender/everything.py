"""All that a .blend holds, as plain values: what a capture must leave alone. Without the code under test."""

from __future__ import annotations

import bpy

# Where a window's state or an evaluation's own lies, which are no part of the user's work.
LEFT_OUT = {"rna_type", "bl_rna", "depsgraph", "original", "id_data", "is_evaluated", "xr_session_settings"}
LEFT_OUT |= {"window_managers", "screens", "workspaces", "all_ids", "brushes", "palettes"}
LEFT_OUT |= {"uv_sculpt"}  # Blender 4.2 gives a pointer into nowhere
LEFT_OUT |= {"uv_layer_clone", "uv_layer_stencil", "storage_type"}  # change by being read
if bpy.app.version < (4, 5):
    LEFT_OUT |= {"users"}  # copying a scene counts them wrong, see capture/stage.py
VIEWS = {("MotionCloneSettings", "controls")}  # hold nothing: they show the settings text, and the model's own values


def everything() -> dict[str, object]:
    """path -> value: every property of every data-block, the lists of data-blocks, and the selection."""
    values: dict[str, object] = {}
    for kind in bpy.data.bl_rna.properties:
        if kind.type != "COLLECTION" or kind.identifier in LEFT_OUT:
            continue
        blocks = getattr(bpy.data, kind.identifier)
        values[kind.identifier] = [block.name_full for block in blocks]
        for block in blocks:
            _read(block, f"{kind.identifier}[{block.name_full!r}]", values, set())
    for scene in bpy.data.scenes:
        for layer in scene.view_layers:
            values[f"selected in {layer.name}"] = [
                item.name_full for item in scene.objects if item.select_get(view_layer=layer)
            ]
    return values


def changes(before: dict[str, object], after: dict[str, object]) -> str:
    """What differs, a line each."""
    names = sorted(before.keys() | after.keys())
    return "\n".join(f"{n}: {before.get(n)} -> {after.get(n)}" for n in names if before.get(n) != after.get(n))


def _read(owner: bpy.types.bpy_struct, path: str, values: dict[str, object], seen: set) -> None:
    key = (owner.as_pointer(), owner.bl_rna.identifier)
    if key in seen:
        return
    seen.add(key)
    for prop in owner.bl_rna.properties:
        if prop.identifier in LEFT_OUT or (owner.bl_rna.identifier, prop.identifier) in VIEWS:
            continue
        try:
            value = getattr(owner, prop.identifier)
        except (AttributeError, RuntimeError, TypeError, ValueError) as error:  # not to be read in this state
            value = type(error).__name__
        here = f"{path}.{prop.identifier}"
        if prop.type == "POINTER" and value is not None and not isinstance(value, str):
            _follow(value, here, values, seen)
        elif prop.type == "COLLECTION" and not isinstance(value, str):
            values[f"{here} count"] = len(value)
            for k, item in enumerate(value):
                _follow(item, f"{here}[{k}]", values, seen)
        else:
            values[here] = _plain(value)


def _follow(value, path: str, values: dict[str, object], seen: set) -> None:
    embedded = isinstance(value, bpy.types.NodeTree) or getattr(value, "is_embedded_data", False)
    if isinstance(value, bpy.types.ID) and not embedded:
        values[path] = value.name_full
    elif value is not None:
        _read(value, path, values, seen)


def _plain(value):
    if hasattr(value, "__iter__") and not isinstance(value, str | set | bytes):
        return repr([_plain(part) for part in value])
    return repr(value)
