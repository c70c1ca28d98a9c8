"""Repair buttons for a scene without a camera."""

from __future__ import annotations

import math

import bpy
from mathutils import Matrix

from ..capture.shot import cameras_of
from ..capture.targets import open_view
from ..capture.view_eye import longer_side
from ..form_scene import form_scene
from ..sentences import sentence
from .corrections import Correction


class MOTIONCLONE_OT_add_camera(Correction, bpy.types.Operator):
    """Add a camera that sees what the 3D view shows, and make it the scene's"""

    bl_idname = "motionclone.add_camera"
    bl_label = "Add Camera Here"

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = form_scene(context)
        camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
        scene.collection.objects.link(camera)
        scene.camera = camera
        if area := open_view(context):
            _look_as(camera, area.spaces.active)
        return {"FINISHED"}


class MOTIONCLONE_OT_use_camera(Correction, bpy.types.Operator):
    """Make the active object the scene's camera if it is one, else the first camera that there is"""

    bl_idname = "motionclone.use_camera"
    bl_label = "Use Existing Camera"

    def execute(self, context: bpy.types.Context) -> set[str]:
        found = cameras_of(form_scene(context))
        if not found:
            self.report({"ERROR"}, sentence("There is no camera."))
            return {"CANCELLED"}
        form_scene(context).camera = context.object if context.object in found else found[0]
        return {"FINISHED"}


def _look_as(camera: bpy.types.Object, space: bpy.types.SpaceView3D) -> None:
    """Whatever the picture's shape, its longer side shows as much as the view's."""
    view, lens = space.region_3d, camera.data
    camera.matrix_world = view.view_matrix.inverted()
    lens.clip_start, lens.clip_end = space.clip_start, space.clip_end
    if view.is_perspective:
        lens.angle = 2 * math.atan(1 / longer_side(view.window_matrix))
    else:
        lens.type, lens.ortho_scale = "ORTHO", 2 / longer_side(view.window_matrix)
        # Such a view shows what lies behind its eye too.
        camera.matrix_world @= Matrix.Translation((0, 0, 2 * view.view_distance))


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_OT_add_camera, MOTIONCLONE_OT_use_camera))
