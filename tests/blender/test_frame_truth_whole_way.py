"""Scene -> capture -> worker -> strip: what a scene frame showed is what the strip shows on that frame."""

from __future__ import annotations

import bpy
import pytest

from tests.blender.conftest import add_camera
from tests.blender.numbered import BITS
from tests.blender.test_frame_truth import numbers_of, set_rate

GONE = -1000.0  # beyond the camera's reach


def counting_scene(scene, start: int, end: int) -> None:
    """What the camera sees is the frame's number, as `numbered.number_in` reads it. Between frames it stays."""
    for thing in list(scene.objects):
        bpy.data.objects.remove(thing)
    light = bpy.data.materials.new("Light")
    light.diffuse_color = (0.8, 0.8, 0.8, 1)
    square = bpy.data.meshes.new("Square")
    square.from_pydata([(0, 0, 0), (1, 0, 0), (1, 2, 0), (0, 2, 0)], [], [(0, 1, 2, 3)])
    square.materials.append(light)
    for bit in range(BITS):
        for row in (0, 1):
            add_lamp(scene, square, bit, row, range(start, end + 1))
    scene.camera = add_camera("Above", (BITS / 2, 0, 10), 0)
    scene.camera.data.type, scene.camera.data.ortho_scale = "ORTHO", BITS
    shading = scene.display.shading
    shading.light, shading.color_type, shading.background_type = "FLAT", "MATERIAL", "WORLD"
    scene.world = bpy.data.worlds.new("Night")
    scene.world.color = (0, 0, 0)
    scene.motionclone.reference_shading = "AS_SEEN"


def add_lamp(scene, square, bit: int, row: int, numbers: range) -> None:
    lamp = bpy.data.objects.new("Lamp", square)
    scene.collection.objects.link(lamp)
    lamp.location = (bit, -2 * row, 0)
    was = None
    for number in numbers:
        lit = (number >> bit & 1) != row
        if lit != was:
            lamp.location.z = 0 if lit else GONE
            lamp.keyframe_insert("location", index=2, frame=number)
        was = lit
    for curve in curves_of(lamp):
        for key in curve.keyframe_points:
            key.interpolation = "CONSTANT"


def curves_of(thing):
    data = thing.animation_data
    if hasattr(data.action, "fcurves"):
        return data.action.fcurves
    return data.action.layers[0].strips[0].channelbag(data.action_slot).fcurves


SHOTS = [  # length, first frame, rate, frames of the model
    (16, 1, 23.976, 16),
    (24, 101, 24.0, 24),
    (48, 7, 25.0, 16),
    (48, 500, 30.0, 32),
    (100, 1001, 60.0, 16),
]


@pytest.mark.parametrize("length, start, fps, count", SHOTS)
def test_the_strip_shows_on_each_frame_what_the_scene_showed(small, jobs, worker, tmp_path, length, start, fps, count):
    """With as many model frames as the shot has, exactly that; with fewer, what the nearest of their moments showed."""
    set_rate(small, fps)
    end = start + length - 1
    small.frame_start, small.frame_end = start, end
    counting_scene(small, start, end)
    small.motionclone.settings, small.motionclone.placement = f"frames={count} steps=1", "STRIP"
    assert bpy.ops.motionclone.generate() == {"FINISHED"}
    (take,) = small.motionclone.takes
    assert (take.placement, take.frame_start, take.frames) == ("STRIP", start, length)
    shown = numbers_of(small, tmp_path, start, end)
    moments = [start + k * (length - 1) / (count - 1) for k in range(count)]
    nearest = [int((frame - start) * (count - 1) / (length - 1) + 0.5) for frame in range(start, end + 1)]
    assert shown == [int(moments[k] + 1e-9) for k in nearest]
    if count == length:
        assert shown == list(range(start, end + 1))
