"""Buttons that fix one setting that prevents a capture. Each is one undo step."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import bpy
from mathutils import Matrix

from ..capture.shot import cameras_of
from ..capture.targets import open_view
from ..capture.view_eye import longer_side
from ..declarations import Operators
from ..form_scene import form_scene
from ..reach import choose_all
from ..translations import sentence

SECONDS = 2.0  # the length of a shot without keyframes


class Correction:
    """Acts on the form's scene."""

    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not form_scene(context).is_editable:
            cls.poll_message_set("This scene is linked and cannot be changed")
            return False
        return True


class FormCorrection(Correction):
    """values: new values of the form's properties, by name."""

    values: ClassVar[dict[str, Any]] = {}

    def execute(self, context: bpy.types.Context) -> set[str]:
        for name, value in self.values.items():
            setattr(form_scene(context).motionclone, name, value)
        return {"FINISHED"}


class MOTIONCLONE_OT_set_end(Correction, bpy.types.Operator):
    """End the frame range at the last keyframe, or after two seconds if nothing is keyed"""

    bl_idname = Operators.SET_END
    bl_label = Operators.SET_END.label

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = form_scene(context)
        last, render = _last_key(scene), scene.render
        two_seconds = scene.frame_start - 1 + round(SECONDS * render.fps / render.fps_base)
        scene.frame_end = last if last > scene.frame_start else two_seconds
        return {"FINISHED"}


class MOTIONCLONE_OT_every_frame(Correction, bpy.types.Operator):
    """Set the step of the frame range to 1"""

    bl_idname = Operators.EVERY_FRAME
    bl_label = Operators.EVERY_FRAME.label

    def execute(self, context: bpy.types.Context) -> set[str]:
        form_scene(context).frame_step = 1
        return {"FINISHED"}


class MOTIONCLONE_OT_use_range(FormCorrection, bpy.types.Operator):
    """Capture the scene's frame range as one shot"""

    bl_idname = Operators.USE_RANGE
    bl_label = Operators.USE_RANGE.label
    values = {"shots": "RANGE"}


class MOTIONCLONE_OT_all_shots(FormCorrection, bpy.types.Operator):
    """Capture the shot of each camera marker, with a take for each"""

    bl_idname = Operators.ALL_SHOTS
    bl_label = Operators.ALL_SHOTS.label
    values = {"source": "CAMERA", "shots": "ALL"}


class MOTIONCLONE_OT_clone_camera(FormCorrection, bpy.types.Operator):
    """Capture the animation of the scene's camera"""

    bl_idname = Operators.CLONE_CAMERA
    bl_label = Operators.CLONE_CAMERA.label
    values = {"source": "CAMERA"}


class MOTIONCLONE_OT_show_solid(Correction, bpy.types.Operator):
    """Set the 3D view's shading to Solid"""

    bl_idname = Operators.SHOW_SOLID
    bl_label = Operators.SHOW_SOLID.label

    def execute(self, context: bpy.types.Context) -> set[str]:
        if area := open_view(context):
            area.spaces.active.shading.type = "SOLID"
        return {"FINISHED"}


class MOTIONCLONE_OT_no_passes(FormCorrection, bpy.types.Operator):
    """Render no passes: no mask, no depth, and no motion vectors"""

    bl_idname = Operators.NO_PASSES
    bl_label = Operators.NO_PASSES.label
    values = {"use_mask": False, "use_depth": False, "use_vectors": False}


class MOTIONCLONE_OT_no_mask(FormCorrection, bpy.types.Operator):
    """Clone the motion of everything in the picture"""

    bl_idname = Operators.NO_MASK
    bl_label = Operators.NO_MASK.label
    values = {"use_mask": False}


class MOTIONCLONE_OT_use_named_files(Correction, bpy.types.Operator):
    """Open the clip and the pictures that this file refers to, although they are outside of its folder"""

    bl_idname = Operators.USE_NAMED_FILES
    bl_label = Operators.USE_NAMED_FILES.label

    def execute(self, context: bpy.types.Context) -> set[str]:
        choose_all(form_scene(context).motionclone)
        return {"FINISHED"}


class MOTIONCLONE_OT_balanced(FormCorrection, bpy.types.Operator):
    """Use the settings that are tuned for the model"""

    bl_idname = Operators.BALANCED
    bl_label = Operators.BALANCED.label
    values = {"quality": "default"}


def _last_key(scene: bpy.types.Scene) -> int:
    """The last keyframe of all objects and their data; 0 if nothing is keyed."""
    owners = [owner for item in scene.objects for owner in (item, item.data) if owner]
    animated = [data for owner in owners if (data := getattr(owner, "animation_data", None)) and data.action]
    return max((math.ceil(data.action.frame_range[1]) for data in animated), default=0)


class MOTIONCLONE_OT_add_camera(Correction, bpy.types.Operator):
    """Add a camera with the view of the 3D viewport, and make it the scene's camera"""

    bl_idname = Operators.ADD_CAMERA
    bl_label = Operators.ADD_CAMERA.label

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = form_scene(context)
        camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
        scene.collection.objects.link(camera)
        scene.camera = camera
        if area := open_view(context):
            _look_as(camera, area.spaces.active)
        return {"FINISHED"}


class MOTIONCLONE_OT_use_camera(Correction, bpy.types.Operator):
    """Make the active object the scene's camera if it is a camera, or else the first camera of the scene"""

    bl_idname = Operators.USE_CAMERA
    bl_label = Operators.USE_CAMERA.label

    def execute(self, context: bpy.types.Context) -> set[str]:
        found = cameras_of(form_scene(context))
        if not found:
            self.report({"ERROR"}, sentence("There is no camera."))
            return {"CANCELLED"}
        form_scene(context).camera = context.object if context.object in found else found[0]
        return {"FINISHED"}


def _look_as(camera: bpy.types.Object, space: bpy.types.SpaceView3D) -> None:
    """The picture's longer side shows as much as the view's."""
    view, lens = space.region_3d, camera.data
    camera.matrix_world = view.view_matrix.inverted()
    lens.clip_start, lens.clip_end = space.clip_start, space.clip_end
    if view.is_perspective:
        lens.angle = 2 * math.atan(1 / longer_side(view.window_matrix))
    else:
        lens.type, lens.ortho_scale = "ORTHO", 2 / longer_side(view.window_matrix)
        # An orthographic view also shows what is behind its viewpoint.
        camera.matrix_world @= Matrix.Translation((0, 0, 2 * view.view_distance))


CLASSES = (
    MOTIONCLONE_OT_set_end,
    MOTIONCLONE_OT_every_frame,
    MOTIONCLONE_OT_use_range,
    MOTIONCLONE_OT_all_shots,
    MOTIONCLONE_OT_clone_camera,
    MOTIONCLONE_OT_show_solid,
    MOTIONCLONE_OT_no_passes,
    MOTIONCLONE_OT_no_mask,
    MOTIONCLONE_OT_balanced,
    MOTIONCLONE_OT_use_named_files,
    MOTIONCLONE_OT_add_camera,
    MOTIONCLONE_OT_use_camera,
)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
