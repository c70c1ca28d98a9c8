"""The demo's scene: a gray ball bounces across a tiled floor while the camera moves in the opposite direction."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, radians, sin

import bmesh
import bpy

PROMPT = "a red ball on green ground under a blue sky"
FRAMES = 48
TILE, TILES = 2.2, 40  # edge of a floor tile in meters, number of tiles along each side
LENS = 39.6  # mm on a 36 mm sensor: the focal length is 2.2 times half the frame height in a square picture
GRAYS = {"subject": 1.0, "light tile": 0.92, "dark tile": 0.74}  # from 0 to 1, before the studio light dims them
SKY = 0.36


def add_demo_scene(name: str) -> bpy.types.Scene:
    """Adds a new scene and leaves the others unchanged."""
    scene = bpy.data.scenes.new(name)
    scene.frame_start, scene.frame_end = 1, FRAMES
    scene.render.fps = 24
    scene.render.resolution_x = scene.render.resolution_y = 512
    _add_floor(scene)
    _animate(_add_ball(scene), lambda t: (-1.2 + 2.4 * t, 0.2, 1 + 1.3 * abs(sin(2 * pi * t))))
    scene.camera = _add_camera(scene)
    _animate(scene.camera, lambda t: (0.7 - 1.4 * t, -7.0, 2.4 + 0.5 * cos(pi * t)))
    _shade(scene)
    return scene


def _animate(item: bpy.types.Object, path: Callable[[float], tuple[float, float, float]]) -> None:
    """Inserts a keyframe on every frame: path(t) gives the location in meters for t from 0 to 1."""
    for frame in range(1, FRAMES + 1):
        item.location = path((frame - 1) / (FRAMES - 1))
        item.keyframe_insert("location", frame=frame)


def _add_ball(scene: bpy.types.Scene) -> bpy.types.Object:
    mesh, shape = bpy.data.meshes.new("Ball"), bmesh.new()
    bmesh.ops.create_uvsphere(shape, u_segments=48, v_segments=24, radius=1.0)
    for face in shape.faces:
        face.smooth = True
    shape.to_mesh(mesh)
    shape.free()
    mesh.materials.append(_gray("subject"))
    return _link(scene, bpy.data.objects.new("Ball", mesh))


def _add_camera(scene: bpy.types.Scene) -> bpy.types.Object:
    data = bpy.data.cameras.new("Demo Camera")
    data.lens, data.sensor_width, data.clip_end = LENS, 36.0, 500.0
    camera = bpy.data.objects.new("Demo Camera", data)
    camera.rotation_euler = (radians(90 - 10), 0, 0)
    return _link(scene, camera)


def _add_floor(scene: bpy.types.Scene) -> None:
    """One mesh of square tiles in two grays, up to the horizon."""
    edge = range(TILES + 1)
    corners = [((i - TILES / 2) * TILE, (j - 6) * TILE, 0.0) for j in edge for i in edge]
    row = TILES + 1
    tiles = [(i, j) for j in range(TILES) for i in range(TILES)]
    faces = [(j * row + i, j * row + i + 1, (j + 1) * row + i + 1, (j + 1) * row + i) for i, j in tiles]
    mesh = bpy.data.meshes.new("Floor")
    mesh.from_pydata(corners, [], faces)
    mesh.materials.append(_gray("light tile"))
    mesh.materials.append(_gray("dark tile"))
    mesh.polygons.foreach_set("material_index", [(i + j) % 2 for i, j in tiles])
    _link(scene, bpy.data.objects.new("Floor", mesh))


def _link(scene: bpy.types.Scene, item: bpy.types.Object) -> bpy.types.Object:
    scene.collection.objects.link(item)
    return item


def _gray(name: str) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    material.diffuse_color = (*[_linear(GRAYS[name])] * 3, 1.0)
    return material


def _linear(shown: float) -> float:
    """The scene-linear value that a screen shows as `shown` (sRGB)."""
    return ((shown + 0.055) / 1.055) ** 2.4


def _shade(scene: bpy.types.Scene) -> None:
    """Sets what the Workbench engine draws: material colors in studio light."""
    scene.world = bpy.data.worlds.new("Sky")
    scene.world.color = [_linear(SKY)] * 3
    shading = scene.display.shading
    shading.light, shading.color_type, shading.background_type = "STUDIO", "MATERIAL", "WORLD"
    shading.show_specular_highlight = False
