"""What is linked from another file: it is captured as any other, and never written to."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from tests.blender.conftest import slide
from tests.blender.everything import changes, everything
from tests.blender.pictures import read_png
from tests.blender.test_job import error_of
from tests.blender.test_sources import captured

SENTENCE = "is a library override, which would lose the clip when the file is opened again. Make it local, or give"


@pytest.fixture
def linked(scene, tmp_path):
    """The fixture's scene, linked; the open file is another."""
    cube = scene.objects["Cube"]
    cube.name = cube.data.name = "Linked cube"
    cube.data.materials.append(bpy.data.materials.new("Skin"))
    blend = tmp_path / "Bücherei 猫.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(blend), link=True) as (theirs, ours):
        ours.scenes, ours.objects = theirs.scenes, theirs.objects
        ours.meshes, ours.materials = theirs.meshes, theirs.materials
    return ours.scenes[0]


@pytest.fixture
def local(linked):
    """A scene of the open file that shows the linked objects through the linked camera."""
    here = bpy.context.scene
    for item in linked.objects:
        here.collection.objects.link(item)
    here.frame_start, here.frame_end, here.camera = 11, 58, linked.camera
    here.render.resolution_x, here.render.resolution_y = 320, 180
    here.motionclone.prompt, here.motionclone.reference_shading = "a red ball", "PLAIN"
    return here


def pictures(folder, name="reference"):
    return np.stack([read_png(path) for path in sorted((folder / name).iterdir())])


@pytest.mark.parametrize("look", ["PLAIN", "MOTION"])
def test_linked_objects_are_captured_and_left_alone(local, part, tmp_path, look):
    local.motionclone.reference_shading = look
    local.frame_set(20)
    before = everything()
    clip = pictures(captured(part, tmp_path))
    assert not changes(before, everything())
    assert np.abs(clip[0].astype(int) - clip[-1]).max() > 20, "the linked cube moves"


def test_a_linked_scene_is_captured_by_its_strip(linked, part, tmp_path):
    here = bpy.context.scene
    here.render.resolution_x, here.render.resolution_y = linked.render.resolution_x, linked.render.resolution_y
    editor = here.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    editor.active_strip = strips.new_scene(name="Shot", scene=linked, channel=1, frame_start=1)
    here.motionclone.source, here.motionclone.prompt, here.motionclone.reference_shading = "STRIP", "a ball", "PLAIN"
    clip = pictures(captured(part, tmp_path))
    assert np.abs(clip[0].astype(int) - clip[-1]).max() > 20


def test_a_linked_subject_has_its_mask(local, part, tmp_path):
    cube = local.objects["Linked cube"]
    for item in local.objects:
        item.select_set(item == cube)
    local.motionclone.use_mask = True
    mask = pictures(captured(part, tmp_path), "mask")[0] > 128
    assert 0 < mask.mean() < 0.3, "the cube alone, not the plane below it"


def test_the_instance_of_a_linked_collection_has_its_mask(scene, part, tmp_path):
    cube = scene.objects["Cube"]
    kept = bpy.data.collections.new("Set")
    kept.objects.link(cube)
    blend = tmp_path / "set.blend"
    bpy.data.libraries.write(str(blend), {kept})
    bpy.data.objects.remove(cube)
    bpy.data.collections.remove(kept)
    with bpy.data.libraries.load(str(blend), link=True) as (_theirs, ours):
        ours.collections = ["Set"]
    holder = bpy.data.objects.new("Holder", None)
    holder.instance_type, holder.instance_collection = "COLLECTION", ours.collections[0]
    scene.collection.objects.link(holder)
    slide(holder, 11, 58, 2)
    for item in scene.objects:
        item.select_set(item == holder)
    scene.motionclone.use_mask = True
    mask = pictures(captured(part, tmp_path), "mask")[..., 0] > 128
    assert 0 < mask.mean() < 0.2 and (mask[0] != mask[-1]).any()


def test_a_plane_before_a_linked_camera(job, local):
    before = of_the_library()
    assert bpy.ops.motionclone.take_place(job=str(job), how="PLANE") == {"FINISHED"}
    plane = next(item for item in local.objects if item.get("motionclone_job"))
    assert plane.library is None
    assert not changes(before, of_the_library())


def of_the_library() -> dict[str, object]:
    """What the linked blocks hold themselves, not how Blender counts and evaluates them."""
    bpy.context.view_layer.update()
    counted = (".users", ".is_library_indirect")
    return {name: value for name, value in everything().items() if "Bücherei" in name and not name.endswith(counted)}


def overridden(local):
    """The cube as a library override, active; its mesh is not."""
    cube = local.objects["Linked cube"].override_create(remap_local_usages=True)
    bpy.context.view_layer.objects.active = cube
    return cube


def texture_error(job) -> str:
    return error_of(bpy.ops.motionclone.take_place, job=str(job), how="TEXTURE")


def test_an_override_s_linked_mesh_shows_no_texture(job, local):
    overridden(local)
    assert "'Linked cube' is linked and cannot be changed." in texture_error(job)


def test_nor_an_overridden_mesh_or_material(job, local):
    cube = overridden(local)
    cube.data.override_create(remap_local_usages=True)
    assert "Material 'Skin' is linked and cannot be changed." in texture_error(job)
    material = cube.active_material.override_create(remap_local_usages=True)
    nodes = len(material.node_tree.nodes) if material.node_tree else 0
    assert f"'Skin' {SENTENCE}" in texture_error(job)
    assert (len(material.node_tree.nodes) if material.node_tree else 0) == nodes
    cube.data.materials.clear()
    assert f"'Linked cube' {SENTENCE}" in texture_error(job) and not cube.data.materials


def test_an_object_that_cannot_be_selected_shows_it(scene, job):
    """Hidden and locked objects can be active all the same."""
    cube = scene.objects["Cube"]
    cube.hide_select, cube.lock_location = True, (True, True, True)
    bpy.context.view_layer.objects.active = cube
    assert bpy.ops.motionclone.take_place(job=str(job), how="TEXTURE") == {"FINISHED"}
    assert cube.active_material
