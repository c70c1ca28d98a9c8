"""The result as a texture of the active object's material."""

from __future__ import annotations

from pathlib import Path

import bpy
import pytest

from tests.blender.test_job import error_of


@pytest.fixture
def cube(scene):
    return next(thing for thing in scene.objects if thing.name.startswith("Cube"))


def place(folder, **wishes) -> None:
    assert bpy.ops.motionclone.take_place(job=str(folder), how="TEXTURE", **wishes) == {"FINISHED"}


def refused(folder) -> str:
    return error_of(bpy.ops.motionclone.take_place, job=str(folder), how="TEXTURE")


def shown_in(material) -> Path:
    """The folder of the clip that colours the surface."""
    output = material.node_tree.get_output_node("ALL")
    shader = output.inputs["Surface"].links[0].from_node
    socket = shader.inputs["Base Color" if "Base Color" in shader.inputs else "Color"]
    return Path(bpy.path.abspath(socket.links[0].from_node.image.filepath)).parent


def with_nodes(name: str):
    material = bpy.data.materials.new(name)
    if material.node_tree is None:
        material.use_nodes = True
    return material


def test_an_object_without_material_gets_one(cube, job):
    place(job)
    (material,) = cube.data.materials
    assert material.name == "a red ball on green ground under a blue sky (seed 3)" and shown_in(material) == job
    user = next(n for n in material.node_tree.nodes if n.bl_idname == "ShaderNodeTexImage").image_user
    assert (user.frame_start, user.frame_duration, user.frame_offset) == (11, 48, 0)
    assert user.use_auto_refresh and not user.use_cyclic


def test_an_empty_slot_is_filled(cube, job):
    cube.data.materials.append(None)
    place(job)
    assert [shown_in(material) for material in cube.data.materials] == [job]


def test_a_material_keeps_what_else_it_has(cube, job):
    material = with_nodes("Skin")
    cube.data.materials.append(material)
    shader = next(n for n in material.node_tree.nodes if n.bl_idname == "ShaderNodeBsdfPrincipled")
    shader.inputs["Roughness"].default_value = 0.125
    before = material.node_tree.nodes.new("ShaderNodeRGB")
    material.node_tree.links.new(before.outputs[0], shader.inputs["Base Color"])
    place(job)
    assert shown_in(material) == job and len(cube.data.materials) == 1
    assert shader.inputs["Roughness"].default_value == 0.125 and before.name in material.node_tree.nodes


def test_a_material_without_nodes_or_surface_gets_a_shader(cube, job):
    material = with_nodes("Bare")
    material.node_tree.nodes.clear()
    cube.data.materials.append(material)
    place(job)
    assert shown_in(material) == job
    plain = bpy.data.materials.new("Plain")
    if bpy.app.version < (5, 0):
        plain.use_nodes = False
    cube.data.materials[0] = plain
    place(job)
    assert shown_in(plain) == job


def test_the_colour_is_found_behind_a_mix(cube, job):
    material = with_nodes("Mixed")
    tree = material.node_tree
    output, shader = tree.get_output_node("ALL"), tree.nodes["Principled BSDF"]
    mix = tree.nodes.new("ShaderNodeMixShader")
    tree.links.new(shader.outputs[0], mix.inputs[2])
    tree.links.new(mix.outputs[0], output.inputs["Surface"])
    cube.data.materials.append(material)
    place(job)
    assert shader.inputs["Base Color"].is_linked


def test_a_later_take_takes_the_node(cube, job, make_job):
    place(job)
    (material,) = cube.data.materials
    node = next(n for n in material.node_tree.nodes if n.bl_idname == "ShaderNodeTexImage")
    node.interpolation, node.location = "Closest", (-999, 7)
    other = make_job("other", 4)
    place(other)
    nodes = [n for n in material.node_tree.nodes if n.bl_idname == "ShaderNodeTexImage"]
    assert nodes == [node] and shown_in(material) == other
    assert node.interpolation == "Closest" and tuple(node.location) == (-999, 7)
    place(job)
    assert shown_in(material) == job and len(bpy.data.images) == 2


def test_without_replacing_the_earlier_node_stays_beside(cube, job, make_job):
    place(job)
    place(make_job("other", 4), replace=False)
    (material,) = cube.data.materials
    images = [n for n in material.node_tree.nodes if n.bl_idname == "ShaderNodeTexImage"]
    assert len(images) == 2 and shown_in(material).name == "other"


def test_the_picture_is_read_again_when_the_job_has_run_again(cube, job):
    place(job)
    image = bpy.data.images[0]
    assert image.frame_duration == 48
    place(job)
    assert list(bpy.data.images) == [image]


def no_object(scene, cube):
    bpy.context.view_layer.objects.active = None


def camera_active(scene, cube):
    bpy.context.view_layer.objects.active = scene.camera


def no_uvs(scene, cube):
    while cube.data.uv_layers:
        cube.data.uv_layers.remove(cube.data.uv_layers[0])


def no_colour(scene, cube):
    material = with_nodes("Hole")
    tree = material.node_tree
    tree.links.new(tree.nodes.new("ShaderNodeHoldout").outputs[0], tree.get_output_node("ALL").inputs["Surface"])
    cube.data.materials.append(material)


@pytest.mark.parametrize(
    "harm, sentence",
    [
        (no_object, "No object is active. Select the object"),
        (camera_active, "'Camera' is not a mesh. Select the mesh object"),
        (no_uvs, "has no UV map. Unwrap it"),
        (no_colour, "Material 'Hole' has no shader with a color. Connect a Principled BSDF"),
    ],
)
def test_what_cannot_show_a_texture_is_said(scene, cube, job, harm, sentence):
    harm(scene, cube)
    nodes = [len(material.node_tree.nodes) for material in bpy.data.materials]
    assert sentence in refused(job)
    assert [len(material.node_tree.nodes) for material in bpy.data.materials] == nodes


@pytest.fixture
def library(scene, cube, tmp_path):
    """link(collection's name): links what a saved copy of this file has."""
    cube.data.materials.append(with_nodes("Shared"))
    blend = tmp_path / "library.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend), copy=True)

    def link(kind: str, name: str):
        with bpy.data.libraries.load(str(blend), link=True) as (_there, here):
            setattr(here, kind, [name])
        return getattr(here, kind)[0]

    return link


def test_a_linked_object_is_not_written_to(scene, cube, library, job):
    linked = library("objects", cube.name)
    scene.collection.objects.link(linked)
    bpy.context.view_layer.objects.active = linked
    assert "is linked and cannot be changed. Use Object > Relations > Make Local" in refused(job)


def test_a_linked_material_is_not_written_to(cube, library, job):
    linked = library("materials", "Shared")
    cube.data.materials[0] = linked
    assert "Material 'Shared' is linked and cannot be changed. Make it local" in refused(job)
    assert not [n for n in linked.node_tree.nodes if n.bl_idname == "ShaderNodeTexImage"]
