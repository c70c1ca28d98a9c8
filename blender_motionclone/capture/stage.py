"""A copy of the scene that a capture may change; the user's own scene is only read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import bpy

from ...backend.job_folder.problem import Problem
from .scene_animation import SceneValues, own_animation, read_by_others
from .simulations import check_simulations, keep_bodies

NAME = "MotionClone capture"
MARK = "motionclone_stage"  # a custom property of a stage's scenes
LONGEST_PATH = 1000  # in bytes; Blender truncates longer file paths
AGAIN = "Press Generate again."
PLANES = "MotionClone Planes"
PLANES_MARK = "motionclone_planes"


class Stage:
    """The copy and an empty scene, stored by name, because a pointer is invalid after an undo or opening a file."""

    def __init__(self, copy: str, empty: str):
        self._copy, self._empty = copy, empty
        self.values: SceneValues | None = None  # what drivers read from the user's own scene

    @property
    def scene(self) -> bpy.types.Scene:
        return _living(self._copy)

    @property
    def view_layer(self) -> bpy.types.ViewLayer:
        return self.scene.view_layers[0]

    def render(self, path: Path) -> None:
        """Renders the copy at its current frame into the file `path`. Problem when no file was written."""
        if len(str(path).encode()) > LONGEST_PATH:
            raise Problem(
                "The path of the jobs folder {parent} is too long for Blender.",
                "Choose a shorter one in Preferences > Add-ons > MotionClone.",
            ).about(parent=path.parents[1])
        self.scene.render.filepath = _literal(path)
        self.look(write=True)
        if not path.is_file() or not path.stat().st_size:
            raise Problem(
                "Frame {frame_current} could not be written to {path}.",
                "Free disk space, or choose another jobs folder in Preferences > Add-ons > MotionClone.",
            ).about(frame_current=self.scene.frame_current, path=path)

    def look(self, write: bool = False) -> None:
        """Renders the copy at its current frame. write: whether to write the file."""
        scene, empty = self.scene, _living(self._empty)
        frame = scene.frame_current
        try:
            # Blender renders at the frame of the context's scene and evaluates that scene afterwards; the empty one has
            # nothing to lose. Assigning `frame_current` would make windows evaluate their own frame again.
            empty.frame_set(frame, subframe=scene.frame_subframe)
            with bpy.context.temp_override(scene=empty, view_layer=empty.view_layers[0]), self.read_by_drivers():
                bpy.ops.render.render(write_still=write, scene=scene.name)
        except RuntimeError as error:
            raise Problem("Frame {frame} could not be rendered: {reason}", "Fix the problem, then try again.").about(
                frame=frame, reason=str(error).removeprefix("Error: ").strip()
            ) from None

    def read_by_drivers(self) -> AbstractContextManager[None]:
        """Inside the block, drivers that refer to the user's scene read its values at the stage's frame."""
        seen = self.scene.evaluated_get(self.view_layer.depsgraph)
        return self.values.of(seen) if self.values else nullcontext()


@contextmanager
def staged(scene: bpy.types.Scene, view_layer: str, until: int | None = None) -> Iterator[Stage]:
    """A stage with only that view layer. It is always removed after the block.

    In `scene`, the settings, the frame, the camera, the selection and unkeyed changes stay unchanged. until: the last
    frame that is rendered, up to which simulations must be cached; None to skip that check. Blender 4.2 counts one user
    too many for data in a copied scene until the file is opened again.
    """
    _check_idle()
    if until is not None:
        check_simulations(scene, view_layer, until)
    read = read_by_others(scene) and scene.is_editable
    with _set_up(scene.copy()) as stage, own_animation(stage.scene) as paths:
        stage.values = SceneValues(scene.name_full, tuple(paths)) if paths and read else None
        keep_bodies(stage.scene)
        for layer in list(stage.scene.view_layers):
            if layer.name != view_layer:
                put(layer, {"material_override": None, "world_override": None})  # otherwise they would count as a user
                stage.scene.view_layers.remove(layer)
        leave_planes_out(stage.view_layer)
        stage.scene.timeline_markers.clear()  # they would switch cameras during the capture
        yield stage


@contextmanager
def _set_up(scene: bpy.types.Scene) -> Iterator[Stage]:
    scene.name = NAME
    had_result = any(image.type == "RENDER_RESULT" for image in bpy.data.images)
    try:
        with temporary(bpy.data.scenes, scene), temporary(bpy.data.scenes, bpy.data.scenes.new(NAME)) as empty:
            scene[MARK] = empty[MARK] = True
            yield Stage(scene.name, empty.name)
    finally:
        for image in [] if had_result else [image for image in bpy.data.images if image.type == "RENDER_RESULT"]:
            bpy.data.images.remove(image)


def remove_leftovers() -> None:
    """Removes stages that were saved in the middle of a capture, or that an undo brought back."""
    for scene in [scene for scene in bpy.data.scenes if scene.get(MARK) and scene.is_editable]:
        bpy.data.scenes.remove(scene)


def put(owner: bpy.types.bpy_struct, values: dict[str, Any]) -> None:
    """Sets the values that this version of Blender has."""
    for name, value in values.items():
        if hasattr(owner, name):
            setattr(owner, name, value)


def _literal(path: Path) -> str:
    """Escapes a path for rendering, because Blender 4.5 fills in templates in braces."""
    text = str(path)
    return text.replace("{", "{{").replace("}", "}}") if bpy.app.version >= (4, 5) else text


def _check_idle() -> None:
    if bpy.app.is_job_running("RENDER"):
        raise Problem(
            "Blender is rendering, and a capture has to wait for it.", "Try again when the render has finished."
        )


@contextmanager
def temporary(blocks: bpy.types.bpy_prop_collection, block: bpy.types.ID) -> Iterator[bpy.types.ID]:
    """A data-block that exists only inside the block. It is found again by name, because a pointer may become
    invalid."""
    name = block.name
    try:
        yield block
    finally:
        if left := blocks.get(name):
            blocks.remove(left)


def named(blocks: bpy.types.bpy_prop_collection, full_name: str) -> bpy.types.ID:
    """The data-block of that full name, which distinguishes linked from local ones. Problem when it is gone."""
    if (block := blocks.get(full_name)) and block.name_full == full_name:
        return block
    for block in blocks:
        if block.name_full == full_name:
            return block
    raise Problem("{full_name} no longer exists.", AGAIN).about(full_name=repr(full_name))


def _living(name: str) -> bpy.types.Scene:
    scene = bpy.data.scenes.get(name)
    if scene is None:
        raise Problem("The scene was changed during the capture.", AGAIN)
    return scene


def plane_collection(scene: bpy.types.Scene) -> bpy.types.Collection:
    """The scene's collection for placed planes. Makes a new one if there is none that can be changed."""
    for collection in scene.collection.children:
        if collection.get(PLANES_MARK) and collection.is_editable:
            return collection
    collection = bpy.data.collections.new(PLANES)
    collection[PLANES_MARK] = True
    scene.collection.children.link(collection)
    return collection


def leave_planes_out(layer: bpy.types.ViewLayer) -> None:
    """Excludes earlier results from this view layer, so that they do not appear in the next reference."""
    row = list(layer.layer_collection.children)
    while row:
        child = row.pop()
        if child.collection.get(PLANES_MARK):
            child.exclude = True
        row += child.children
