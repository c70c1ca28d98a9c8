"""The result behind the camera's view and in the compositor."""

from __future__ import annotations

from pathlib import Path

import bpy
import pytest

from tests.blender.numbered import run_dummy, write_job
from tests.blender.test_frame_truth import number_at, show_the_clip_only, square_before_the_camera
from tests.blender.test_job import error_of


def place(folder, how: str, **wishes) -> None:
    assert bpy.ops.motionclone.take_place(job=str(folder), how=how, **wishes) == {"FINISHED"}


def folder_of(image) -> Path:
    return Path(bpy.path.abspath(image.filepath)).parent


def test_a_background_lies_over_the_whole_frame(scene, job):
    place(job, "BACKGROUND")
    (background,) = scene.camera.data.background_images
    assert scene.camera.data.show_background_images and folder_of(background.image) == job
    assert (background.alpha, background.frame_method, background.display_depth) == (1.0, "STRETCH", "BACK")
    user = background.image_user
    assert (user.frame_start, user.frame_duration, user.frame_offset) == (11, 48, 0)


def test_a_later_take_takes_the_background_and_leaves_the_user_s(scene, job, make_job):
    mine = scene.camera.data.background_images.new()
    mine.image = bpy.data.images.new("Mine", 8, 8)
    place(job, "BACKGROUND")
    scene.camera.data.background_images[1].alpha = 0.25
    other = make_job("other", 4)
    place(other, "BACKGROUND")
    backgrounds = scene.camera.data.background_images
    assert len(backgrounds) == 2 and backgrounds[0].image.name == "Mine"
    assert folder_of(backgrounds[1].image) == other and backgrounds[1].alpha == 0.25
    place(job, "BACKGROUND", replace=False)
    assert len(backgrounds) == 3


def test_a_background_needs_a_camera_that_can_be_changed(scene, job, tmp_path):
    blend = tmp_path / "library.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend), copy=True)
    with bpy.data.libraries.load(str(blend), link=True) as (_there, here):
        here.cameras = ["Camera"]
    scene.camera.data = here.cameras[0]
    arguments = {"job": str(job), "how": "BACKGROUND"}
    assert "Camera 'Camera' is linked and cannot be changed." in error_of(bpy.ops.motionclone.take_place, **arguments)
    bpy.data.objects.remove(scene.camera)
    assert "has no camera. Add one" in error_of(bpy.ops.motionclone.take_place, **arguments)


def tree_of(scene):
    return scene.compositing_node_group if hasattr(scene, "compositing_node_group") else scene.node_tree


def images_in(scene):
    return [node for node in tree_of(scene).nodes if node.bl_idname == "CompositorNodeImage"]


@pytest.fixture
def compositing(scene):
    """A compositor of the user's own: the render, inverted."""
    if hasattr(scene, "compositing_node_group"):
        scene.compositing_node_group = bpy.data.node_groups.new("Mine", "CompositorNodeTree")
        scene.compositing_node_group.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    else:
        scene.use_nodes = True
    tree = tree_of(scene)
    tree.nodes.clear()
    layers, invert = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("CompositorNodeInvert")
    kind = "NodeGroupOutput" if hasattr(scene, "compositing_node_group") else "CompositorNodeComposite"
    output = tree.nodes.new(kind)
    tree.links.new(layers.outputs["Image"], invert.inputs["Color"])
    tree.links.new(invert.outputs["Color"], output.inputs[0])
    return tree


def test_a_scene_without_compositing_gets_nodes_that_let_the_render_through(scene, job):
    place(job, "COMPOSITOR")
    tree = tree_of(scene)
    output = next(n for n in tree.nodes if n.bl_idname in ("NodeGroupOutput", "CompositorNodeComposite"))
    source = output.inputs[0].links[0].from_node
    while source.bl_idname == "NodeReroute":
        source = source.inputs[0].links[0].from_node
    assert source.bl_idname == "CompositorNodeRLayers"
    (node,) = images_in(scene)
    assert folder_of(node.image) == job and node.label == "a red ball on green ground under a blue sky (seed 3)"
    assert (node.frame_start, node.frame_duration, node.frame_offset) == (11, 48, 0)


def test_the_user_s_nodes_stay_as_they_are(scene, compositing, job):
    before = {node.name: tuple(node.location) for node in compositing.nodes}
    links = [(link.from_node.name, link.to_node.name) for link in compositing.links]
    place(job, "COMPOSITOR")
    after = {node.name: tuple(node.location) for node in compositing.nodes if node.name in before}
    assert after == before and tree_of(scene) == compositing
    new = [(link.from_node.name, link.to_node.name) for link in compositing.links]
    assert new[: len(links)] == links and len(new) == len(links) + 1


def test_compositing_that_is_off_stays_off(scene, compositing, job, capfd):
    if hasattr(scene, "compositing_node_group"):
        scene.render.use_compositing = False
        place(job, "COMPOSITOR")
        assert not scene.render.use_compositing
        return
    scene.use_nodes = False
    place(job, "COMPOSITOR")
    assert not scene.use_nodes and "but Use Nodes is off" in capfd.readouterr().out


def test_a_later_take_takes_the_node_with_its_links(scene, compositing, job, make_job):
    place(job, "COMPOSITOR")
    (node,) = images_in(scene)
    node.location = (123, 45)
    other = make_job("other", 4)
    place(other, "COMPOSITOR")
    assert images_in(scene) == [node] and folder_of(node.image) == other and tuple(node.location) == (123, 45)
    assert node.outputs["Image"].is_linked
    place(job, "COMPOSITOR", replace=False)
    assert len(images_in(scene)) == 2


def test_linked_nodes_are_not_written_to(scene, compositing, job, tmp_path):
    if not hasattr(scene, "compositing_node_group"):
        assert bpy.app.version < (5, 0)  # there a compositor is always part of its scene
        return
    blend = tmp_path / "library.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend), copy=True)
    with bpy.data.libraries.load(str(blend), link=True) as (_there, here):
        here.node_groups = ["Mine"]
    scene.compositing_node_group = here.node_groups[0]
    text = error_of(bpy.ops.motionclone.take_place, job=str(job), how="COMPOSITOR")
    assert "The compositor's nodes 'Mine' are linked and cannot be changed. Make them local." in text
    assert not images_in(scene)


@pytest.mark.parametrize("how", ["PLANE", "TEXTURE", "COMPOSITOR"])
def test_a_take_in_stretched_time_shows_its_frames(small, tmp_path, how):
    """Where two rendered frames lie in one of stretched time, and where the stretching is changed after placing."""
    job = write_job(tmp_path / "n", list(range(24)), 101, 24, 24.0, "Camera")
    run_dummy([job])
    small.render.fps, small.render.engine = 24, "BLENDER_WORKBENCH"
    small.display.shading.light, small.display.shading.color_type = "FLAT", "TEXTURE"
    if how == "TEXTURE":
        square_before_the_camera(small)
    elif how == "PLANE":
        for thing in [thing for thing in small.objects if thing.type == "MESH"]:
            bpy.data.objects.remove(thing)
        small.render.engine, small.cycles.samples, small.cycles.use_denoising = "CYCLES", 4, False
    small.render.frame_map_old, small.render.frame_map_new = 100, 200
    place(job, how)
    if how == "COMPOSITOR":
        show_the_clip_only(small)
    assert [number_at(small, 101 + k, tmp_path / "f.png") for k in (0, 7, 6, 23)] == [0, 7, 6, 23]
    if how != "COMPOSITOR":
        small.render.frame_map_old, small.render.frame_map_new = 100, 50
        assert [number_at(small, 101 + k, tmp_path / "f.png") for k in (0, 7, 23)] == [0, 7, 23]


def test_a_background_in_stretched_time(scene, job):
    scene.render.frame_map_old, scene.render.frame_map_new = 100, 200
    place(job, "BACKGROUND")
    user, shown = scene.camera.data.background_images[0].image_user, []
    for frame in (2, 11, 12, 40, 58, 90):
        scene.frame_set(frame)
        graph = bpy.context.evaluated_depsgraph_get()
        shown.append(scene.camera.data.evaluated_get(graph).background_images[0].image_user.frame_offset)
    assert shown == [1, 1, 2, 30, 48, 48] and user.frame_duration == 48
