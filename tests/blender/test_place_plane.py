"""The result on a plane that fills the camera's view, whatever the camera does."""

from __future__ import annotations

from pathlib import Path

import bpy
import pytest
from bpy_extras.object_utils import world_to_camera_view

from tests.blender.test_capture import MODEL
from tests.blender.test_job import error_of

EDGE = 0.01  # by which the plane is larger than the frame on each side


def place(folder, **wishes):
    """The plane."""
    assert bpy.ops.motionclone.take_place(job=str(folder), how="PLANE", **wishes) == {"FINISHED"}
    return next(thing for thing in bpy.context.scene.objects if thing.get("motionclone_job") == folder.name)


def corners(scene, plane) -> list[tuple[float, float]]:
    """Of the plane in the camera's frame, from (0, 0) to (1, 1), rounded."""
    graph = bpy.context.evaluated_depsgraph_get()
    camera, plane = scene.camera.evaluated_get(graph), plane.evaluated_get(graph)
    places = [world_to_camera_view(scene, camera, plane.matrix_world @ v.co) for v in plane.data.vertices]
    assert min(place.z for place in places) > 0, "it lies behind the camera"
    return [(round(place.x, 4), round(place.y, 4)) for place in places]


FILLED = [(-EDGE, -EDGE), (1 + EDGE, -EDGE), (1 + EDGE, 1 + EDGE), (-EDGE, 1 + EDGE)]


def lens(scene):
    scene.camera.data.lens = 135


def moved(scene):
    scene.camera.location, scene.camera.rotation_euler = (3, 4, -5), (0.3, 2, 1)


def scaled(scene):
    scene.camera.scale = (3, 0.5, 2)


def parented(scene):
    rig = bpy.data.objects.new("Rig", None)
    scene.collection.objects.link(rig)
    rig.scale, rig.rotation_euler = (4, 4, 4), (0, 0, 1)
    scene.camera.parent = rig


def shifted(scene):
    scene.camera.data.shift_x, scene.camera.data.shift_y = 0.3, -0.2


def portrait(scene):
    scene.render.resolution_x, scene.render.resolution_y = 180, 320
    scene.camera.data.shift_x = 0.1


def tall_pixels(scene):
    scene.render.pixel_aspect_y = 2.0
    scene.camera.data.shift_y = 0.1


def vertical_sensor(scene):
    scene.camera.data.sensor_fit, scene.camera.data.sensor_height = "VERTICAL", 17


def horizontal_sensor(scene):
    portrait(scene)
    scene.camera.data.sensor_fit, scene.camera.data.sensor_width = "HORIZONTAL", 50


def orthographic(scene):
    scene.camera.data.type, scene.camera.data.ortho_scale = "ORTHO", 7
    shifted(scene)


def nearer(scene):
    plane = next(thing for thing in scene.objects if "Distance" in thing)
    plane["Distance"] = 1.5
    plane.update_tag()


def untouched(scene):
    pass


CHANGES = (
    untouched,
    lens,
    moved,
    scaled,
    parented,
    shifted,
    portrait,
    tall_pixels,
    vertical_sensor,
    horizontal_sensor,
    orthographic,
    nearer,
)


@pytest.mark.parametrize("change", CHANGES)
def test_it_fills_the_frame_before_and_after(scene, job, change, capfd):
    if change is not nearer:
        change(scene)
    plane = place(job)
    scene.frame_set(20)
    assert corners(scene, plane) == FILLED
    if change is nearer:
        change(scene)
    else:
        for undone in (lens, shifted):
            undone(scene)
    bpy.context.view_layer.update()
    assert corners(scene, plane) == FILLED
    assert "ependency cycle" not in "".join(capfd.readouterr())


def test_it_follows_an_animated_camera_frame_by_frame(scene, job):
    camera = scene.camera
    for frame, value in ((11, 20.0), (58, 90.0)):
        camera.data.lens = value
        camera.data.keyframe_insert("lens", frame=frame)
        camera.location.x = value / 10
        camera.keyframe_insert("location", frame=frame)
    plane = place(job)
    for frame in (11, 25, 40, 58):
        scene.frame_set(frame)
        assert corners(scene, plane) == FILLED


def test_it_needs_no_leave_to_run_python(scene, job):
    drivers = place(job).animation_data.drivers
    assert len(drivers) == 7 and all(curve.driver.is_simple_expression for curve in drivers)


def test_it_hides_nothing_of_the_scene_and_is_within_the_camera_s_reach(scene, job):
    plane = place(job)
    scene.frame_set(20)
    assert plane["Distance"] > 22  # the ground's far edge
    scene.camera.data.clip_end = 15
    bpy.data.objects.remove(plane)
    assert place(job)["Distance"] < 15
    for thing in [thing for thing in scene.objects if thing.type == "MESH"]:
        bpy.data.objects.remove(thing)
    scene.camera.data.clip_end = 100
    assert place(job)["Distance"] == pytest.approx(12.5)


@pytest.mark.parametrize("placed_at", [1, 10, 11, 59])
def test_it_is_there_on_the_shot_s_frames_only(scene, job, placed_at):
    scene.frame_set(placed_at)
    plane = place(job)
    seen = []
    for frame in (1, 10, 11, 30, 58, 59, 100):
        scene.frame_set(frame)
        seen.append((plane.hide_render, plane.hide_viewport))
    assert seen == [(True, True)] * 2 + [(False, False)] * 3 + [(True, True)] * 2


def test_it_is_seen_at_once_where_the_user_is(scene, job):
    scene.frame_set(58)
    assert not place(job).hide_viewport


def test_it_lights_nothing(scene, job):
    plane = place(job)
    assert plane.visible_camera
    assert not (plane.visible_diffuse or plane.visible_glossy or plane.visible_shadow or plane.visible_transmission)


def clip_of(plane) -> Path:
    (node,) = (n for n in plane.active_material.node_tree.nodes if n.bl_idname == "ShaderNodeTexImage")
    return Path(bpy.path.abspath(node.image.filepath)).parent


def test_a_later_take_takes_the_plane(scene, job, make_job):
    plane = place(job)
    plane["Distance"] = 3.0
    other = make_job("other", 4)
    assert place(other) == plane and clip_of(plane) == other and plane["Distance"] == 3.0
    assert plane.name == "a red ball on green ground under a blue sky (seed 4)"
    later = place(make_job("later", 5, start=100))
    assert later != plane and clip_of(plane) == other


def test_a_plane_with_another_material_is_the_user_s_own(scene, job, make_job):
    plane = place(job)
    plane.data.materials[0] = bpy.data.materials.new("Mine")
    assert place(make_job("other", 4)) != plane


def test_the_shot_s_own_camera_is_meant(scene, make_job):
    first = scene.camera
    other = bpy.data.objects.new("Other", bpy.data.cameras.new("Other"))
    scene.collection.objects.link(other)
    scene.camera = other
    plane = place(make_job("a", 4))
    assert plane.constraints[0].target == first
    bpy.data.objects.remove(plane)
    bpy.data.objects.remove(first)
    assert place(make_job("b", 4)).constraints[0].target == other


def refused(folder) -> str:
    return error_of(bpy.ops.motionclone.take_place, job=str(folder), how="PLANE")


def test_no_camera_and_a_panoramic_one_are_said(scene, job):
    scene.camera.data.type = "PANO"
    objects, meshes = len(bpy.data.objects), len(bpy.data.meshes)
    assert "Camera 'Camera' is panoramic, and no plane can fill its view. Set its lens" in refused(job)
    assert (len(bpy.data.objects), len(bpy.data.meshes)) == (objects, meshes)
    bpy.data.objects.remove(scene.camera)
    assert "has no camera. Add one" in refused(job)


def test_it_is_one_undo_step(scene, job):
    bpy.ops.ed.undo_push(message="before")
    objects = len(bpy.data.objects)
    bpy.ops.motionclone.take_place("EXEC_DEFAULT", True, job=str(job), how="PLANE")
    assert len(bpy.data.objects) == objects + 1
    bpy.ops.ed.undo()
    assert len(bpy.data.objects) == objects and bpy.context.scene.view_settings.view_transform == "AgX"


def test_it_is_left_out_of_the_next_reference(scene, job, part, tmp_path):
    """Else the next take would clone the earlier take's picture of the motion."""
    scene.motionclone.settings = "frames=2"

    def capture(folder):
        (plan,) = part("capture.plan").plans_of(bpy.context, [MODEL])
        reference = part("capture.job").capture_job(plan, tmp_path / folder) / "reference"
        return [path.read_bytes() for path in sorted(reference.iterdir())]

    before = capture("before")
    plane = place(job)
    plane["Distance"] = 1.0
    scene.frame_set(20)
    assert capture("after") == before
    layer = bpy.context.view_layer.layer_collection.children["MotionClone Planes"]
    assert not layer.exclude and plane.visible_get(), "it is still there for the user"
    assert place(job).users_collection == plane.users_collection
