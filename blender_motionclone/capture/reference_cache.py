"""Which shots have not changed since they were captured, so that their reference can be used again.

Blender reports changes to objects and their data; everything else is compared. Whatever could be missed is captured
again: the viewport, strips, folders of pictures, and shading that shows textures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent

from ..session import session
from .plan import CapturePlan
from .stage import MARK, named

SOURCES = ("CAMERA", "FILE")
KEPT = 20  # shots that are remembered
RENDER = "simplify|hair|filter_size|frame_map"  # of a scene's render settings; a capture sets all others
PLAIN = {"BOOLEAN", "INT", "FLOAT", "ENUM", "STRING"}


@dataclass
class _Now:
    """known: the remembered shots."""

    changes: int = 0  # since Blender started, to anything that a shot can show
    own: bool = False  # whether a capture causes the changes that Blender reports now
    known: dict[tuple, _Captured] = field(default_factory=dict)


_now = session.part(_Now)


@dataclass(frozen=True)
class _Captured:
    """exactly: what takes too long to compare while a panel is drawn."""

    folder: Path
    exactly: tuple


def remember(key: tuple[tuple, tuple] | None, folder: Path) -> None:
    """Remembers that the reference in that job's folder shows the shot. key: from `look_at` when its capture began."""
    if key is None:
        return
    _now.known.pop(key[0], None)
    _now.known[key[0]] = _Captured(folder, key[1])
    while len(_now.known) > KEPT:
        del _now.known[next(iter(_now.known))]


def key_of(plan: CapturePlan) -> tuple[tuple, tuple] | None:
    """Describes how the shot looks now. None for a shot that is always captured again."""
    key = _key(plan)
    return (key, _exactly(plan)) if key else None


def find(plan: CapturePlan, key: tuple[tuple, tuple] | None, jobs: Path) -> Path | None:
    """The folder, in `jobs`, of a job whose reference shows the shot."""
    found = _now.known.get(key[0]) if key else None
    return found.folder if found and found.exactly == key[1] and _is_whole(found.folder, plan, jobs) else None


def may_be_reused(plan: CapturePlan, jobs: Path) -> bool:
    """Whether `find` will probably find one. Fast enough for panels."""
    found = _now.known.get(_key(plan)) if _now.known else None
    return bool(found) and _is_whole(found.folder, plan, jobs)


def _is_whole(folder: Path, plan: CapturePlan, jobs: Path) -> bool:
    pictures = (folder / "reference" / f"{number:04d}.png" for number in (0, plan.count - 1))
    return folder.parent == jobs and (folder / "job.json").is_file() and all(map(Path.is_file, pictures))


def _key(plan: CapturePlan) -> tuple | None:
    target, shot = plan.target, plan.shot
    shading = plan.viewport_shading.get("color_type") or _scene(plan).display.shading.color_type
    if target.kind not in SOURCES or target.strip or (plan.reference_shading == "AS_SEEN" and shading == "TEXTURE"):
        return None
    what = repr(replace(target, title="", notes=(), cuts=None))
    frames = (shot.start, shot.end, shot.fps, shot.aspect, plan.count, plan.size)
    how = (plan.reference_shading, _frozen(plan.viewport_shading), plan.subject, plan.depth_folder, plan.vectors)
    pictures = tuple((kind, _state_of(path)) for kind, path in sorted(plan.pictures.items()))
    if target.clip:
        path = target.clip.path  # pictures in a folder can change without a trace
        return None if path.is_dir() else (what, *frames, *how, pictures, _state_of(path))
    scene = _scene(plan)
    settings = _values(scene.render, RENDER), _values(scene.display), _values(scene.display.shading)
    return (what, *frames, *how, pictures, _now.changes, settings)


def _exactly(plan: CapturePlan) -> tuple:
    """What Blender reports no changes of."""
    objects = tuple(
        (item.name_full, item.hide_render, item.is_holdout, item.display_type, *item.color, *_slots(item))
        for item in _scene(plan).view_layers[plan.target.view_layer].objects
    )
    materials = tuple((m.name_full, *m.diffuse_color, m.roughness, m.metallic) for m in bpy.data.materials)
    return objects, materials


def forget() -> None:
    """Called when another file is opened, or after an undo."""
    _now.known.clear()


@contextmanager
def ignoring_changes() -> Iterator[None]:
    """Ignores the changes that Blender reports inside the block, such as going to another frame."""
    _now.own = True
    try:
        yield
    finally:
        _now.own = False


@persistent
def note_changes(scene: bpy.types.Scene, graph: bpy.types.Depsgraph) -> None:
    """Blender's handler. It ignores what a capture does to its own scene, and updates of an object's shading only,
    which the key compares."""
    if not _now.own and not scene.get(MARK) and any(_counts(update) for update in graph.updates):
        _now.changes += 1


def _counts(update: bpy.types.DepsgraphUpdate) -> bool:
    if isinstance(update.id, bpy.types.Object):
        # A capture's resolution makes Blender update cameras; changes to the camera's data are reported separately.
        has_shape = update.id.type != "CAMERA"
        return update.is_updated_transform or (has_shape and update.is_updated_geometry)
    return not isinstance(update.id, bpy.types.Scene | bpy.types.Collection)


def _slots(item: bpy.types.Object) -> tuple[str, ...]:
    return tuple(slot.material.name_full if slot.material else "" for slot in item.material_slots)


def _values(owner: bpy.types.bpy_struct, named: str = "") -> tuple:
    """named: a pattern of the property names that matter."""
    names = [p.identifier for p in owner.bl_rna.properties if p.type in PLAIN and re.search(named, p.identifier)]
    return _frozen({name: getattr(owner, name) for name in names})


def _frozen(values: dict[str, Any]) -> tuple:
    plain = {name: value[:] if hasattr(value, "foreach_get") else value for name, value in values.items()}
    return tuple((name, repr(value)) for name, value in plain.items())


def _state_of(path: Path) -> tuple:
    try:
        stat = path.stat()
    except OSError:
        return (path,)
    return path, stat.st_mtime_ns, stat.st_size


def _scene(plan: CapturePlan) -> bpy.types.Scene:
    return named(bpy.data.scenes, plan.target.scene)
