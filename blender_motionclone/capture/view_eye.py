"""The viewpoint of a 3D view, and what a picture of another shape shows of it."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from mathutils import Matrix, Vector

from .pixels import pixel_aspect
from .stage import Stage, named

Eye = Callable[[Stage], tuple[Matrix, Matrix]]


def eye_of(
    space: bpy.types.SpaceView3D,
    view: bpy.types.RegionView3D,
    scene: bpy.types.Scene,
    aspect: float,
    size: tuple[int, int],
) -> Eye:
    """Returns a function that gives the view matrix and the projection at a stage's frame, for pictures of size (H, W).

    A view through a camera shows that camera's frame. Any other stays where it is now, or follows the object that it is
    locked to. The picture's longer side shows as much as the view's, as in Blender's own viewport renders.
    """
    camera = space.camera if space.use_local_camera else scene.camera
    if view.view_perspective == "CAMERA" and camera:
        return _through(camera.name_full, aspect, size)
    projection, matrix = _reshaped(view.window_matrix, aspect), view.view_matrix.copy()
    if not space.lock_object:
        return lambda stage: (matrix, projection)
    locked, bone = space.lock_object.name_full, space.lock_bone
    fixed = matrix @ Matrix.Translation(_location_of(space.lock_object, bone))

    def following(stage: Stage) -> tuple[Matrix, Matrix]:
        seen = named(bpy.data.objects, locked).evaluated_get(_evaluated(stage))
        return fixed @ Matrix.Translation(-_location_of(seen, bone)), projection

    return following


def _through(camera: str, aspect: float, size: tuple[int, int]) -> Eye:
    height, width = size
    across, up = pixel_aspect(aspect, size)

    def eye(stage: Stage) -> tuple[Matrix, Matrix]:
        graph = _evaluated(stage)
        seen = named(bpy.data.objects, camera).evaluated_get(graph)
        projection = seen.calc_matrix_camera(graph, x=width, y=height, scale_x=across, scale_y=up)
        return seen.matrix_world.normalized().inverted(), projection

    return eye


def _evaluated(stage: Stage) -> bpy.types.Depsgraph:
    return stage.view_layer.depsgraph


def _reshaped(window: Matrix, aspect: float) -> Matrix:
    """The projection with the picture's aspect instead of the window's. The longer side shows the same range."""
    longer = longer_side(window)
    reshaped = window.copy()
    reshaped[0][0], reshaped[1][1] = (longer, longer * aspect) if aspect >= 1 else (longer / aspect, longer)
    return reshaped


def longer_side(projection: Matrix) -> float:
    """The projection factor of the longer side: the larger it is, the less the side shows."""
    return min(projection[0][0], projection[1][1])


def _location_of(obj: bpy.types.Object, bone: str) -> Vector:
    if bone and obj.pose and bone in obj.pose.bones:
        return obj.matrix_world @ obj.pose.bones[bone].head
    return obj.matrix_world.translation
