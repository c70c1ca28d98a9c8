"""Captures blockouts in several looks, with their true motion, for `python -m backend bench looks`.

`.venv-bpy-5.2/bin/python -m install.developing.in_blender.look_scenes DIR`, with any Python that has bpy,
writes for each scene
DIR/<scene>/<look>/0000.png ... and DIR/<scene>/vectors/0000.npy ...
"""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable
from math import cos, pi, radians, sin
from pathlib import Path

import bpy

from .make_demo import load_extension

FRAMES = 48
MODEL = {"name": "demo", "frames": 16, "most_frames": 32, "area": 4096, "multiple": 16}
LOOKS = ("MOTION", "PLAIN", "AS_SEEN")


def main(folder: Path) -> None:
    extension = load_extension("motionclone")
    extension.register()
    try:
        for build in SCENES:
            capture(build, folder / build.__name__)
    finally:
        extension.unregister()


def capture(build: Callable[[bpy.types.Scene], None], folder: Path) -> None:
    plans = importlib.import_module("motionclone.blender_motionclone.capture.plan")
    jobs = importlib.import_module("motionclone.blender_motionclone.capture.job")
    scene = blockout()
    build(scene)
    wanted = scene.motionclone
    wanted.prompt = "-"
    for look in LOOKS:
        wanted.reference_shading, wanted.use_vectors = look, look == LOOKS[0]
        (plan,) = plans.plans_of(bpy.context, [MODEL])
        job = jobs.capture_job(plan, folder / "jobs")
        shutil.move(job / "reference", folder / look)
        if wanted.use_vectors:
            shutil.move(job / "vectors", folder / "vectors")
    shutil.rmtree(folder / "jobs")


def blockout() -> bpy.types.Scene:
    """A scene with gray ground, a gray sky, a fixed camera and 48 square frames, without motion."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end, scene.render.fps = 1, FRAMES, 24
    scene.render.resolution_x = scene.render.resolution_y = 512
    bpy.ops.mesh.primitive_plane_add(size=80, location=(0, 20, 0))
    painted(bpy.context.object, 0.6)
    scene.world = bpy.data.worlds.new("Sky")
    scene.world.color = (0.1, 0.1, 0.1)
    shading = scene.display.shading
    shading.color_type, shading.background_type, shading.show_specular_highlight = "MATERIAL", "WORLD", False
    data = bpy.data.cameras.new("Camera")
    data.lens, data.sensor_width, data.clip_end = 40, 36, 500
    scene.camera = bpy.data.objects.new("Camera", data)
    scene.camera.location, scene.camera.rotation_euler = (0, -7, 2.4), (radians(80), 0, 0)
    scene.collection.objects.link(scene.camera)
    return scene


def painted(item: bpy.types.Object, gray: float) -> bpy.types.Object:
    material = bpy.data.materials.new("Grey")
    material.diffuse_color = (gray, gray, gray, 1)
    item.data.materials.append(material)
    return item


def ball(location=(0, 0, 1)) -> bpy.types.Object:
    bpy.ops.mesh.primitive_uv_sphere_add(radius=1, segments=48, ring_count=24, location=location)
    bpy.ops.object.shade_smooth()
    return painted(bpy.context.object, 0.8)


def cube(location=(0, 0, 0.8), size: float = 1.6) -> bpy.types.Object:
    bpy.ops.mesh.primitive_cube_add(size=size, location=location)
    return painted(bpy.context.object, 0.8)


def cone(location=(0, 0, 1)) -> bpy.types.Object:
    bpy.ops.mesh.primitive_cone_add(radius1=0.9, depth=2, location=location)
    return painted(bpy.context.object, 0.8)


def animate(item: bpy.types.Object, name: str, path) -> None:
    """Inserts a keyframe on every frame. `path(t)` is the value for t from 0 to 1."""
    for frame in range(1, FRAMES + 1):
        setattr(item, name, path((frame - 1) / (FRAMES - 1)))
        item.keyframe_insert(name, frame=frame)


def roll(scene: bpy.types.Scene) -> None:
    item = ball()
    animate(item, "location", lambda t: (-2 + 4 * t, 0, 1))
    animate(item, "rotation_euler", lambda t: (0, -2 + 4 * t, 0))


def slide_away(scene: bpy.types.Scene) -> None:
    animate(cube(), "location", lambda t: (-1.2 + 1.6 * t, -1.5 + 5.5 * t, 0.8))


def bounce(scene: bpy.types.Scene) -> None:
    animate(ball(), "location", lambda t: (-1.5 + 3 * t, 0.2, 1 + 1.3 * abs(sin(2 * pi * t))))


def turn(scene: bpy.types.Scene) -> None:
    """A cube turns in place, so that only its faces show the motion."""
    animate(cube(size=2), "rotation_euler", lambda t: (0, 0, 0.3 + 1.4 * t))


def dolly(scene: bpy.types.Scene) -> None:
    cone((0.5, 0, 1))
    animate(scene.camera, "location", lambda t: (0, -8 + 3 * t, 2.4))


def truck(scene: bpy.types.Scene) -> None:
    cube()
    animate(scene.camera, "location", lambda t: (-1.4 + 2.8 * t, -7, 2.4))


def orbit(scene: bpy.types.Scene) -> None:
    cube((0, 0, 0.8))
    ball((1.8, 2.5, 1))

    def location(t: float) -> tuple[float, float, float]:
        return 7 * sin(0.8 * t - 0.4), -7 * cos(0.8 * t - 0.4), 2.4

    animate(scene.camera, "location", location)
    animate(scene.camera, "rotation_euler", lambda t: (radians(80), 0, 0.8 * t - 0.4))


def pan_after(scene: bpy.types.Scene) -> None:
    animate(cone(), "location", lambda t: (-2.5 + 5 * t, 0, 1))
    animate(scene.camera, "rotation_euler", lambda t: (radians(80), 0, 0.15 - 0.3 * t))


SCENES = (roll, slide_away, bounce, turn, dolly, truck, orbit, pan_after)

if __name__ == "__main__":
    main(Path(sys.argv[-1]).resolve())
