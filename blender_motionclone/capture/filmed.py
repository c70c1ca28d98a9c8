"""Which shots are as they were when they were filmed: their reference serves again.

Blender tells of changes to objects and what they are made of; what it does not tell of is compared. Whatever may be
missed otherwise is filmed anew: the viewport, strips, folders of pictures, and shading that shows textures.
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
    """known: the shots that are remembered."""

    changes: int = 0  # since Blender was started, of what a shot may show
    own: bool = False  # what Blender tells now comes of a capture
    known: dict[tuple, _Filmed] = field(default_factory=dict)


_now = session.part(_Now)


@dataclass(frozen=True)
class _Filmed:
    """exactly: what takes longer to compare than a panel may wait."""

    folder: Path
    exactly: tuple


def remember(key: tuple[tuple, tuple] | None, folder: Path) -> None:
    """The reference in that job's folder shows the shot. key: of `look_at` when its filming began."""
    if key is None:
        return
    _now.known.pop(key[0], None)
    _now.known[key[0]] = _Filmed(folder, key[1])
    while len(_now.known) > KEPT:
        del _now.known[next(iter(_now.known))]


def look_at(plan: CapturePlan) -> tuple[tuple, tuple] | None:
    """What the shot looks like now; None for one that is filmed in any case."""
    key = _key(plan)
    return (key, _exactly(plan)) if key else None


def find(plan: CapturePlan, key: tuple[tuple, tuple] | None, jobs: Path) -> Path | None:
    """The folder, in `jobs`, of a job whose reference shows the shot."""
    found = _now.known.get(key[0]) if key else None
    return found.folder if found and found.exactly == key[1] and _is_whole(found.folder, plan, jobs) else None


def may_be_reused(plan: CapturePlan, jobs: Path) -> bool:
    """For panels: whether `find` finds one, most likely."""
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
        path = target.clip.path  # pictures in a folder may change without a trace in it
        return None if path.is_dir() else (what, *frames, *how, pictures, _state_of(path))
    scene = _scene(plan)
    settings = _values(scene.render, RENDER), _values(scene.display), _values(scene.display.shading)
    return (what, *frames, *how, pictures, _now.changes, settings)


def _exactly(plan: CapturePlan) -> tuple:
    """What Blender tells nobody of."""
    objects = tuple(
        (item.name_full, item.hide_render, item.is_holdout, item.display_type, *item.color, *_slots(item))
        for item in _scene(plan).view_layers[plan.target.view_layer].objects
    )
    materials = tuple((m.name_full, *m.diffuse_color, m.roughness, m.metallic) for m in bpy.data.materials)
    return objects, materials


def forget() -> None:
    """Another file is opened, or something undone."""
    _now.known.clear()


@contextmanager
def own_changes() -> Iterator[None]:
    """What Blender tells inside the block, such as that it goes to another frame, is no change by the user."""
    _now.own = True
    try:
        yield
    finally:
        _now.own = False


@persistent
def note_changes(scene: bpy.types.Scene, graph: bpy.types.Depsgraph) -> None:
    """Blender's handler. What a capture does to its own scene does not count, nor what it makes Blender look at again:
    objects whose shading alone is updated, which the key compares."""
    if not _now.own and not scene.get(MARK) and any(_counts(update) for update in graph.updates):
        _now.changes += 1


def _counts(update: bpy.types.DepsgraphUpdate) -> bool:
    if isinstance(update.id, bpy.types.Object):
        # A capture's own resolution makes Blender look at cameras again; what they hold is told by their data.
        has_shape = update.id.type != "CAMERA"
        return update.is_updated_transform or (has_shape and update.is_updated_geometry)
    return not isinstance(update.id, bpy.types.Scene | bpy.types.Collection)


def _slots(item: bpy.types.Object) -> tuple[str, ...]:
    return tuple(slot.material.name_full if slot.material else "" for slot in item.material_slots)


def _values(owner: bpy.types.bpy_struct, named: str = "") -> tuple:
    """named: a pattern of the names that count."""
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
