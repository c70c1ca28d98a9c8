"""Fits a unit square exactly to a camera's frame, whatever the lens, the resolution and the distance are."""

from __future__ import annotations

import re

import bpy
from mathutils import Matrix

from ...backend.job_folder.problem import Problem
from .placement import job_shown

DISTANCE = "Distance"
NOWHERE = 10.0  # meters, when the camera sees no objects
BEHIND = 1.25  # relative to the farthest object

# The frame's size, from the camera's values. _SIZE: of the side that the sensor fits, at the square's distance.
_ASPECT = "(rx*px/(ry*py))"
_WIDE = f"(f==1 or f==0 and {_ASPECT}>=1)"
_SIZE = "(o if t==1 else d*(sh if f==2 else sw)/l)"
_FIT = {
    ("scale", 0): f"{_SIZE}*(1 if {_WIDE} else {_ASPECT})",
    ("scale", 1): f"{_SIZE}*(1/{_ASPECT} if {_WIDE} else 1)",
    ("location", 0): f"{_SIZE}*x",
    ("location", 1): f"{_SIZE}*y",
    ("location", 2): "-d",
}
_OF_SCENE = {
    "rx": "render.resolution_x",
    "ry": "render.resolution_y",
    "px": "render.pixel_aspect_x",
    "py": "render.pixel_aspect_y",
}
_OF_CAMERA = {
    "t": "type",
    "l": "lens",
    "o": "ortho_scale",
    "f": "sensor_fit",
    "sw": "sensor_width",
    "sh": "sensor_height",
    "x": "shift_x",
    "y": "shift_y",
}


def fit_to_camera(obj: bpy.types.Object, scene: bpy.types.Scene, camera: bpy.types.Object) -> None:
    """obj: a square from -0.5 to 0.5 that faces z. It follows the camera at the distance of its custom property.
    Problem for a panoramic camera, whose frame is not flat."""
    if camera.data.type not in ("PERSP", "ORTHO"):
        raise Problem(
            "Camera {camera} is panoramic, and no plane can fill its view.",
            "Set its lens to Perspective, or place the clip elsewhere.",
        ).about(camera=repr(camera.name))
    hold = obj.constraints.new("CHILD_OF")  # not a parent: a camera's view ignores its scale, but a child would not
    hold.target = camera
    hold.use_scale_x = hold.use_scale_y = hold.use_scale_z = False
    hold.inverse_matrix.identity()
    obj[DISTANCE] = far_distance(scene, camera)
    obj.id_properties_ui(DISTANCE).update(
        min=0.001, subtype="DISTANCE", description="Between camera and plane, which fills the frame at any"
    )
    obj.lock_location = obj.lock_scale = obj.lock_rotation = True, True, True
    for (path, index), expression in _FIT.items():
        _drive(obj, path, index, expression, scene, camera)


def _drive(
    obj: bpy.types.Object, path: str, index: int, expression: str, scene: bpy.types.Scene, camera: bpy.types.Object
) -> None:
    """The expressions are simple, so Blender evaluates them without permission to run Python."""
    driver = obj.driver_add(path, index).driver
    sources = {"d": ("OBJECT", obj, f'["{DISTANCE}"]')}  # its own location would be a dependency cycle
    sources |= {name: ("SCENE", scene, source) for name, source in _OF_SCENE.items()}
    sources |= {name: ("CAMERA", camera.data, source) for name, source in _OF_CAMERA.items()}
    used = re.findall(r"[a-z]+", expression)
    for name, source in sources.items():
        if name in used:
            _variable(driver, name, *source)
    driver.expression = expression


def _variable(driver: bpy.types.Driver, name: str, kind: str, owner: bpy.types.ID, path: str) -> None:
    variable = driver.variables.new()
    variable.name = name
    target = variable.targets[0]
    target.id_type, target.id, target.data_path = kind, owner, path


def far_distance(scene: bpy.types.Scene, camera: bpy.types.Object) -> float:
    """Distance in meters from the camera, behind everything that is there now, so that the plane hides nothing."""
    into_view = camera.matrix_world.normalized().inverted()
    layer = scene.view_layers[0]
    depths = [
        _farthest_corner(into_view, obj)
        for obj in scene.objects
        if obj.type not in ("CAMERA", "LIGHT", "EMPTY") and obj.visible_get(view_layer=layer) and not job_shown(obj)
    ]
    farthest = max((depth for depth in depths if depth > 0), default=NOWHERE)
    return max(min(farthest * BEHIND, camera.data.clip_end * 0.95), camera.data.clip_start * 1.05)


def _farthest_corner(into_view: Matrix, obj: bpy.types.Object) -> float:
    """Distance in meters of the farthest corner of the object's bounding box. Choosing the farther side along each axis
    finds it without looking at eight corners; scenes have thousands of objects."""
    row = (into_view @ obj.matrix_world)[2]
    box = obj.bound_box
    low, high = box[0], box[6]
    return -row[3] + sum(max(-row[axis] * low[axis], -row[axis] * high[axis]) for axis in range(3))
