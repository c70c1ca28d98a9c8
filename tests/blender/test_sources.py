"""Where a reference comes from: markers' shots, strips, files; and what is rendered beside it."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from tests.blender.conftest import add_camera, slide
from tests.blender.pictures import chart, read_png, write_png

MODEL = {"name": "demo", "frames": 4, "most_frames": 32, "area": 4096, "multiple": 16, "controls": []}


def plans(part, **model):
    return part("capture.plan").plans_of(bpy.context, [MODEL | model])


def captured(part, tmp_path, **model):
    (plan,) = plans(part, **model)
    return part("capture.job").capture_job(plan, tmp_path / "jobs")


def greys(folder) -> list[int]:
    """The charts' numbers that the reference's frames show."""
    return [round(int(read_png(path)[2, 2, 0]) / 4) for path in sorted((folder / "reference").iterdir())]


@pytest.fixture
def charts(tmp_path):
    folder = tmp_path / "Bilder ü"
    folder.mkdir()
    for k in range(10):
        write_png(folder / f"bild{k + 1}.png", chart(k))
    return folder


def add_strip(scene, charts, start: int):
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strip = strips.new_image(name="Bild", filepath=str(charts / "bild1.png"), channel=1, frame_start=start)
    for k in range(1, 10):
        strip.elements.append(f"bild{k + 1}.png")
    editor.active_strip = strip
    return strips, strip


def test_every_camera_marker_has_a_shot(scene, part):
    for name, frame in (("A", 5), ("B", 30), ("Late", 90)):
        scene.timeline_markers.new(name, frame=frame).camera = add_camera(name, (0, -9, 3), 1.3)
    scene.motionclone.shots = "ALL"
    assert [plan.title for plan in plans(part)] == ["frames 11-29 of A", "frames 30-58 of B"]
    scene.motionclone.shots = "MARKER"
    scene.frame_set(35)
    assert [plan.title for plan in plans(part)] == ["frames 30-58 of B"]
    scene.frame_set(70)
    with pytest.raises(part("backend.job_folder.problem").Problem, match="No camera marker's shot contains frame 70"):
        plans(part)


def test_a_folder_of_pictures_gives_its_frames(scene, part, tmp_path, charts):
    scene.motionclone.source, scene.motionclone.clip_file = "FILE", str(charts)
    folder = captured(part, tmp_path)
    assert greys(folder) == [0, 3, 6, 9]


def test_a_strip_gives_its_own_frames_alone(scene, part, tmp_path, charts):
    scene.render.resolution_x, scene.render.resolution_y = 80, 48
    strips, strip = add_strip(scene, charts, 21)
    strips.new_image(name="Over", filepath=str(charts / "bild10.png"), channel=2, frame_start=21)
    strip.frame_final_start, strip.frame_final_end = 22, 29  # its pictures 1 to 7
    scene.motionclone.source = "STRIP"
    (plan,) = plans(part)
    assert plan.title == "frames 22-28 of strip Bild" and greys(captured(part, tmp_path)) == [1, 3, 5, 7]


def test_a_scene_strip_is_captured_as_its_scene(scene, part, tmp_path):
    folder = captured(part, tmp_path)
    edit = bpy.data.scenes.new("Edit")
    editor = edit.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    editor.active_strip = strips.new_scene(name="Shot", scene=scene, channel=1, frame_start=101)
    edit.render.resolution_x, edit.render.resolution_y = 320, 180
    wanted = edit.motionclone
    wanted.source, wanted.prompt, wanted.reference_shading = "STRIP", "a ball", "PLAIN"
    with bpy.context.temp_override(scene=edit, view_layer=edit.view_layers[0]):
        other = captured(part, tmp_path)
    for path in sorted((folder / "reference").iterdir()):
        assert (other / "reference" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({"source": "VIEWPORT"}, "can only be captured in a window"),
        ({"source": "STRIP"}, "No strip is active"),
        ({"source": "FILE"}, "No clip is chosen"),
        ({"source": "FILE", "clip_file": "/nowhere/ü.mp4"}, "There is no file or folder /nowhere/ü.mp4"),
        ({"shots": "ALL"}, "no markers with a camera"),
        ({"image_file": "/nowhere/a.png"}, "does not support image: its entry names no sparse_rgb"),
    ],
)
def test_what_is_wrong_with_a_source_is_said(scene, part, settings, sentence):
    for name, value in settings.items():
        setattr(scene.motionclone, name, value)
    with pytest.raises(part("backend.job_folder.problem").Problem, match=sentence):
        plans(part)


def test_passes_are_exact(scene, part, tmp_path):
    """A square slides under a camera that looks straight down; another, higher one hides half of its way."""
    for item in list(scene.objects):
        bpy.data.objects.remove(item)
    bpy.ops.mesh.primitive_plane_add(size=8, location=(4, 0, 2))
    bpy.ops.mesh.primitive_plane_add(size=1)
    square = bpy.context.object  # selected: the subject
    slide(square, 11, 58, 3)
    scene.camera = add_camera("Above", (0, 0, 10), 0)
    scene.camera.data.type, scene.camera.data.ortho_scale = "ORTHO", 8
    wanted = scene.motionclone
    wanted.use_mask = wanted.use_depth = wanted.use_vectors = True
    folder = captured(part, tmp_path, controls=["depth_control"])
    masks = [read_png(path)[..., 0] for path in sorted((folder / "mask").iterdir())]
    assert [round(mask.sum() / 25500) for mask in masks] == [1, 1, 0, 0]  # 100 pixels; the last two are hidden
    depth = read_png(folder / "depth/0000.png")[..., 0]
    assert depth[24, 60] == 255 and depth[2, 2] == 0 and 0 < depth[24, 10] < 255
    assert depth[24, 10] == pytest.approx(255 * 8 / 10, abs=1)  # 8 m and 10 m from the camera
    vectors = [np.load(path) for path in sorted((folder / "vectors").iterdir())]
    assert len(vectors) == 3 and vectors[0].shape == (48, 80, 2)
    assert vectors[0][24, 10] == pytest.approx([20, 0], abs=0.01)  # a third of 60 pixels
    assert vectors[0][24, 60] == pytest.approx([0, 0], abs=0.01) and np.isnan(vectors[0][2, 2]).all()


def test_a_subject_that_is_never_seen(scene, part, tmp_path):
    scene.motionclone.use_mask = True
    scene.objects["Cube"].hide_render = True
    with pytest.raises(part("backend.job_folder.problem").Problem, match="never sees the subject"):
        captured(part, tmp_path)
    assert list((tmp_path / "jobs").iterdir()) == []


def test_a_shot_that_stands_still_is_noted(scene, part, tmp_path):
    scene.objects["Cube"].driver_remove("location", 0)
    assert "Nothing moves in frames 11-58 of Camera" in (captured(part, tmp_path) / "job.json").read_text("utf-8")


def test_another_take_shares_the_capture(scene, part, tmp_path):
    folder = captured(part, tmp_path)
    (plan,) = plans(part)
    other = part("capture.job").variant(folder, plan.request, tmp_path / "jobs")
    names = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert other != folder and all((other / name).read_bytes() == (folder / name).read_bytes() for name in names)
