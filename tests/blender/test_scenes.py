"""Several scenes in one file, as a farm's script generates them: each take lies in its own scene."""

from __future__ import annotations

import json
from pathlib import Path

import bpy
import pytest

from tests.blender.pictures import chart, write_png
from tests.blender.test_job import press_generate, tick_until

SHOTS = {"Scene": (11, 58, 24), "Zweite ü": (101, 124, 30)}  # first frame, last frame, frames a second


@pytest.fixture
def scenes(scene, jobs, worker) -> list[bpy.types.Scene]:
    """The scene, and another with a camera, a plane and a frame rate of its own, which no window shows."""
    other = bpy.data.scenes.new("Zweite ü")
    camera = bpy.data.objects.new("Other Camera", bpy.data.cameras.new("Other Camera"))
    camera.location.z = 40  # sees all of the plane
    plane = bpy.data.objects.new("Other Plane", scene.objects["Plane"].data.copy())
    for item in (camera, plane):
        other.collection.objects.link(item)
    other.view_layers[0].objects.active = plane
    other.camera, other.motionclone.reference_shading = camera, "PLAIN"
    for each in (scene, other):
        each.frame_start, each.frame_end, each.render.fps = SHOTS[each.name]
        each.motionclone.prompt, each.motionclone.settings = f"shot of {each.name}", "steps=2 frames=4"
    return [scene, other]


def generate_each(scenes, how: str) -> None:
    for each in scenes:
        each.motionclone.placement = how
        with bpy.context.temp_override(scene=each):
            assert bpy.ops.motionclone.generate() == {"FINISHED"}


def strips_of(scene) -> list:
    editor = scene.sequence_editor
    return list((editor.strips if hasattr(editor, "strips") else editor.sequences) if editor else ())


def test_takes_and_strips_lie_in_their_own_scenes(scenes):
    generate_each(scenes, "STRIP")
    for each, camera in zip(scenes, ("Camera", "Other Camera")):
        start, end, _ = SHOTS[each.name]
        (take,) = each.motionclone.takes
        assert (take.state, take.prompt) == ("done", f"shot of {each.name}")
        assert (take.frame_start, take.frames, take.camera) == (start, end - start + 1, camera)
        (strip,) = strips_of(each)
        assert (strip.frame_final_start, strip.frame_final_end, strip.name) == (start, end + 1, take.placed_in)


def test_a_scene_that_no_window_shows_has_an_active_object_of_its_own(scenes):
    scene, other = scenes
    scene.view_layers[0].objects.active = scene.objects["Cube"]
    generate_each(scenes, "TEXTURE")
    assert [each.motionclone.takes[0].placement for each in scenes] == ["TEXTURE", "TEXTURE"]
    materials = [scene.objects["Cube"].active_material, other.objects["Other Plane"].active_material]
    assert [each.motionclone.takes[0].placed_in for each in scenes] == [material.name for material in materials]
    assert materials[0] != materials[1]


@pytest.mark.parametrize("how", ["PLANE", "BACKGROUND", "COMPOSITOR"])
def test_what_a_view_shows_is_placed_in_its_own_scene(scenes, how):
    cameras = [scene.camera for scene in scenes]
    generate_each(scenes, how)
    assert [each.motionclone.takes[0].placement for each in scenes] == [how, how]
    if how == "BACKGROUND":
        assert [len(camera.data.background_images) for camera in cameras] == [1, 1]
    if how == "PLANE":
        planes = [each.objects[each.motionclone.takes[0].placed_in] for each in scenes]
        assert planes[0] != planes[1]
        assert [plane.users_scene for plane in planes] == [(scene,) for scene in scenes]


def test_a_take_that_is_done_while_another_scene_is_shown(scenes, worker, part):
    """Pressed in one scene, its window shows another when the clip is there."""
    scene, other = scenes
    with bpy.context.temp_override(scene=other):
        (job,) = press_generate(part)
    tick_until(worker, lambda: not worker.running() and not worker._now.notifications.busy)
    assert other.motionclone.takes[job].state == "done" and len(strips_of(other)) == 1
    assert not strips_of(scene) and not len(scene.motionclone.takes)


@pytest.mark.skipif(bpy.app.version < (5, 0), reason="before Blender 5 the sequencer shows the window's scene")
def test_a_preset_is_of_the_scene_that_the_sequencer_shows(scenes):
    scene, edit = scenes
    bpy.context.workspace.sequencer_scene = edit
    scene.motionclone.strength, edit.motionclone.strength = 1.25, 1.5
    area = max(bpy.context.window.screen.areas, key=lambda area: area.width * area.height)
    before, area.type = area.type, "SEQUENCE_EDITOR"
    try:
        with bpy.context.temp_override(area=area):
            assert bpy.ops.motionclone.preset_add(name="Edit") == {"FINISHED"}
        (path,) = (Path(folder) / "Edit.py" for folder in bpy.utils.preset_paths("motionclone"))
        edit.motionclone.strength = 3.0
        with bpy.context.temp_override(area=area):
            bpy.ops.script.execute_preset(filepath=str(path), menu_idname="MOTIONCLONE_PT_presets")
        assert (scene.motionclone.strength, edit.motionclone.strength) == (1.25, 1.5)
    finally:
        area.type = before
        bpy.ops.motionclone.preset_add(name="Edit", remove_name=True)
    assert not path.exists()


@pytest.mark.skipif(bpy.app.version < (5, 0), reason="before Blender 5 the sequencer shows the window's scene")
def test_a_strip_of_the_scene_that_the_sequencer_shows_has_its_take_there(scenes, jobs, tmp_path):
    """The window shows one scene, the sequencer another: source, list, placement and blender.json are of the latter."""
    scene, edit = scenes
    for k in range(8):
        write_png(tmp_path / f"{k}.png", chart(k))
    strips = edit.sequence_editor_create().strips
    strip = strips.new_image(name="Film", filepath=str(tmp_path / "0.png"), channel=1, frame_start=110)
    for k in range(1, 8):
        strip.elements.append(f"{k}.png")
    edit.sequence_editor.active_strip = strip
    scene.motionclone.source = "STRIP"
    bpy.context.workspace.sequencer_scene = edit
    assert bpy.context.scene == scene and bpy.ops.motionclone.generate() == {"FINISHED"}
    (take,) = edit.motionclone.takes
    assert (take.prompt, take.frame_start, take.frames) == (scene.motionclone.prompt, 110, 8)
    assert not scene.motionclone.takes and not strips_of(scene)
    (placed,) = [each for each in strips_of(edit) if each != strip]
    assert (placed.frame_final_start, placed.frame_final_end, placed.name) == (110, 118, take.placed_in)
    (folder,) = jobs.iterdir()
    assert json.loads((folder / "blender.json").read_text(encoding="utf-8"))["scene"] == edit.name
