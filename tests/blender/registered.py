"""What add-ons leave in Blender when they do not clean up: listed before and after, in a window or without one.

Import it after bpy and before the add-on is enabled: it counts the timers that are registered from then on.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import bpy
from bpy.utils import previews

OWNERS = ("Scene", "Object", "WindowManager", "Screen", "WorkSpace", "Camera", "Collection", "Image", "Text", "World")
_timers: list = []
_register, _unregister = bpy.app.timers.register, bpy.app.timers.unregister


def _remember(function, *arguments, **options):
    _timers.append(function)
    return _register(function, *arguments, **options)


bpy.app.timers.register = _remember  # Blender cannot list its timers


def everything() -> dict[str, list[str]]:
    """All that an add-on can register, by kind, as sorted texts."""
    return {
        "classes": sorted(f"{kind}.{name}" for kind in _kinds() for name in _subclasses(getattr(bpy.types, kind))),
        "operators": sorted(f"{module}.{name}" for module in dir(bpy.ops) for name in dir(getattr(bpy.ops, module))),
        "properties": sorted(f"{name}.{key}" for name in OWNERS for key in _properties(getattr(bpy.types, name))),
        "handlers": sorted(_handlers()),
        "drawn into menus": sorted(_drawn()),
        "key bindings": sorted(_key_bindings()),
        "preview collections": sorted(map(str, previews._uuid_open)),
        "timers": sorted(f"{function.__module__}.{function.__qualname__}" for function in _timers if _runs(function)),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "processes": children(),
    }


def difference(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, list[str]]:
    """What was not there before, by kind; counted, since one handler may be there twice."""
    left = {}
    for kind, items in after.items():
        rest = list(before[kind])
        left[kind] = [item for item in items if item not in rest or rest.remove(item)]
    return {kind: items for kind, items in left.items() if items}


def children() -> list[str]:
    """Command lines of this process's children, zombies too; only Linux can tell them without more packages."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            words = (path.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        except (OSError, ValueError):
            continue
        if parent == os.getpid():
            found.append(words or "a zombie")
    return sorted(found)


def _kinds() -> list[str]:
    kinds = ["Operator", "Panel", "Menu", "Header", "UIList", "PropertyGroup", "AddonPreferences", "Gizmo"]
    return [*kinds, "GizmoGroup", "RenderEngine", "KeyingSetInfo", "FileHandler", "Macro", "Node", "NodeTree"]


def _subclasses(kind: type) -> list[str]:
    return [name for name in dir(bpy.types) if _is_kind(getattr(bpy.types, name, None), kind)]


def _is_kind(item: object, kind: type) -> bool:
    return isinstance(item, type) and issubclass(item, kind)


def _properties(owner: type) -> list[str]:
    return list(owner.bl_rna.properties.keys())


def _handlers() -> list[str]:
    lists = {
        name: value for name in dir(bpy.app.handlers) if isinstance(value := getattr(bpy.app.handlers, name), list)
    }
    return [f"{name}: {function.__module__}.{function.__name__}" for name in lists for function in lists[name]]


def _drawn() -> list[str]:
    """Blender's own function is listed there from the first addition on, and stays."""
    found = []
    for name in dir(bpy.types):
        draw = getattr(getattr(bpy.types, name, None), "draw", None)
        found += [f"{name}: {function.__module__}" for function in getattr(draw, "_draw_funcs", ())]
    return [item for item in found if ": bl_ui." not in item]


def _key_bindings() -> list[str]:
    configurations = bpy.context.window_manager.keyconfigs
    return [
        f"{keymap.name}: {item.idname}"
        for configuration in (configurations.addon, configurations.user)
        if configuration
        for keymap in configuration.keymaps
        for item in keymap.keymap_items
    ]


def _runs(function) -> bool:
    return bpy.app.timers.is_registered(function)
