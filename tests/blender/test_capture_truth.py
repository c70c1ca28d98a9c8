"""A reference shows what Blender shows, whatever the file is set to; what cannot be shown is refused in words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest

from tests.blender.conftest import ROOT, add_camera, slide
from tests.blender.pictures import read_png
from tests.blender.test_sources import MODEL, add_strip, captured, charts, greys, plans  # noqa: F401  (a fixture)


def pictures(folder, name="reference") -> list:
    return [read_png(path) for path in sorted((folder / name).iterdir())]


@pytest.mark.parametrize("name", ["{blend_name}", "brace{", "shot #3", "50% %04d"])
def test_signs_in_the_jobs_folder_are_taken_word_for_word(scene, part, tmp_path, name):
    (plan,) = plans(part)
    folder = part("capture.job").capture_job(plan, tmp_path / name)
    assert folder.parent == tmp_path / name and len(pictures(folder)) == 4


def strip_source(scene, folder):
    scene.render.resolution_x, scene.render.resolution_y = 80, 48
    _, strip = add_strip(scene, folder, 21)
    scene.motionclone.source = "STRIP"
    return strip


def test_a_strip_in_a_muted_channel(scene, part, tmp_path, charts):  # noqa: F811
    strip_source(scene, charts)
    scene.sequence_editor.channels[1].mute = True
    assert greys(captured(part, tmp_path)) == [0, 3, 6, 9]


@pytest.mark.parametrize("spoil", ["gone", "empty", "folder"])
def test_pictures_of_a_strip_that_are_not_there(scene, part, tmp_path, charts, spoil):  # noqa: F811
    strip = strip_source(scene, charts)
    strip.frame_final_end = 30  # the last is not needed
    for k in (4, 5, 10):
        path = charts / f"bild{k}.png"
        path.unlink()
        if spoil == "empty":
            path.touch()
        elif spoil == "folder":
            path.mkdir()
    with pytest.raises(
        part("backend.job_folder.problem").Problem, match="2 of the 9 files of the strip 'Bild' .*bild4.png"
    ):
        captured(part, tmp_path)
    assert not (tmp_path / "jobs").exists() or not list((tmp_path / "jobs").iterdir())


def test_a_movie_of_a_strip_that_is_gone(scene, part, tmp_path, movie):
    copy = tmp_path / "m.mp4"
    copy.write_bytes(movie.read_bytes())
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    editor.active_strip = strips.new_movie(name="Film", filepath=str(copy), channel=1, frame_start=11)
    scene.motionclone.source = "STRIP"
    copy.unlink()
    with pytest.raises(part("backend.job_folder.problem").Problem, match="The file of the strip 'Film' .*m.mp4"):
        captured(part, tmp_path)


def test_a_layer_that_is_off_for_rendering(scene, part, tmp_path):
    scene.view_layers.new("Render")
    bpy.context.view_layer.use = False
    (plan,) = plans(part)
    assert plan.target.view_layer == "Render" and captured(part, tmp_path)
    scene.view_layers["Render"].use = False
    with pytest.raises(
        part("backend.job_folder.problem").Problem, match="All view layers of the scene 'Scene' are disabled"
    ):
        plans(part)


def test_a_reference_of_one_color_is_refused(scene, part, tmp_path):
    scene.camera.rotation_euler.x += 3.14159  # away from everything
    with pytest.raises(part("backend.job_folder.problem").Problem, match="frames 11-58 of Camera has a single color"):
        captured(part, tmp_path)
    assert list((tmp_path / "jobs").iterdir()) == []


def test_a_panoramic_camera(scene, part, tmp_path):
    """Cycles, of the look Motion, films it as it is."""
    scene.camera.data.type = "PANO"
    with pytest.raises(part("backend.job_folder.problem").Problem, match="'Camera' is panoramic"):
        plans(part)
    scene.motionclone.reference_shading = "MOTION"
    round_one = pictures(captured(part, tmp_path, area=1024))[0]
    scene.camera.data.type = "PERSP"
    assert (pictures(captured(part, tmp_path, area=1024))[0] != round_one).any()


class TestMarkers:
    @pytest.fixture
    def bind(self, scene):
        def bind(name, frame, **camera):
            marker = scene.timeline_markers.new(name, frame=frame)
            marker.camera = add_camera(name, (0, -9, 3), 1.3)
            for key, value in camera.items():
                setattr(marker.camera, key, value)

        scene.motionclone.shots = "ALL"
        return bind

    def titles(self, part) -> list[str]:
        return [plan.title for plan in plans(part)]

    def test_frames_before_the_first_marker_are_its_own(self, bind, part):
        bind("A", 20)
        bind("B", 40)
        assert self.titles(part) == ["frames 11-39 of A", "frames 40-58 of B"]

    def test_of_two_on_one_frame_blender_takes_the_first_made(self, scene, bind, part):
        for name in ("B", "A"):
            bind(name, 20)
        scene.frame_set(30)
        assert scene.camera.name == "B" and self.titles(part) == ["frames 11-58 of B"]

    def test_hidden_cameras_are_passed_over(self, scene, bind, part):
        bind("A", 5)
        bind("B", 30, hide_render=True)
        scene.frame_set(40)
        assert scene.camera.name == "A" and self.titles(part) == ["frames 11-58 of A"]
        scene.objects["A"].hide_render = True
        with pytest.raises(part("backend.job_folder.problem").Problem, match="The cameras of all markers are hidden"):
            plans(part)

    def test_markers_count_stretched_time(self, scene, bind, part):
        scene.render.frame_map_old, scene.render.frame_map_new = 100, 200
        bind("A", 1)
        bind("B", 20)
        scene.frame_set(39)
        assert scene.camera.name == "A"
        scene.frame_set(40)
        assert scene.camera.name == "B"
        assert self.titles(part) == ["frames 11-39 of A", "frames 40-58 of B"]

    def test_a_range_over_a_cut_offers_all_shots(self, scene, bind, part):
        bind("A", 5)
        bind("B", 30)
        scene.motionclone.shots, scene.camera = "RANGE", scene.objects["A"]
        (plan,) = plans(part)
        assert plan.target.cuts.repair == "motionclone.all_shots"
        assert plan.request.notes == [plan.target.cuts.message] and "a cut to another camera" in plan.request.notes[0]
        bpy.ops.motionclone.all_shots()
        assert len(self.titles(part)) == 2


@pytest.mark.parametrize("how", ["keys", "driver", "NLA"])
@pytest.mark.parametrize("kind", ["SINGLE_PROP", "CONTEXT_PROP"])
def test_drivers_on_an_animated_property_of_the_scene(scene, part, tmp_path, kind, how):
    cube = scene.objects["Cube"]
    cube.driver_remove("location", 0)
    animate(scene, how)
    driver = cube.driver_add("location", 0).driver
    variable = driver.variables.new()
    variable.type, target = kind, variable.targets[0]
    if kind == "SINGLE_PROP":
        target.id_type, target.id = "SCENE", scene
    else:
        target.context_property = "ACTIVE_SCENE"
    target.data_path, driver.expression = '["go"]', variable.name
    scene.frame_set(30)
    scene["go"] = 7.0  # the user's own, not keyed
    seen = pictures(captured(part, tmp_path))
    assert scene["go"] == 7.0 and scene.frame_current == 30
    moved = [np.abs(a.astype(int) - b).max() for a, b in zip(seen, seen[1:])]
    assert min(moved) > 20


def animate(scene, how: str) -> None:
    """The property "go": from -3 at the shot's start to 3 at its end."""
    scene["go"] = -3.0
    if how == "driver":
        scene.driver_add('["go"]').driver.expression = "-3 + 6 * (frame - 11) / 47"
        return
    scene.keyframe_insert('["go"]', frame=11)
    scene["go"] = 3.0
    scene.keyframe_insert('["go"]', frame=58)
    scene.view_settings.exposure = -10
    scene.view_settings.keyframe_insert("exposure", frame=11)  # which a capture sets itself
    if how == "NLA":
        data = scene.animation_data
        action, slot = data.action, getattr(data, "action_slot", None)
        for curves in list_of_curves(data):
            for curve in [curve for curve in curves if curve.data_path.startswith("view")]:
                curves.remove(curve)
        data.action = None
        strip = data.nla_tracks.new().strips.new("Go", 11, action)
        if slot:
            strip.action_slot = slot


def list_of_curves(data) -> list:
    if not hasattr(data.action, "layers"):
        return [data.action.fcurves]
    return [strip.channelbag(data.action_slot).fcurves for layer in data.action.layers for strip in layer.strips]


def test_passes_and_reference_are_of_the_same_moments_in_stretched_time(scene, part, tmp_path):
    for item in list(scene.objects):
        bpy.data.objects.remove(item)
    bpy.ops.mesh.primitive_plane_add(size=1)
    slide(bpy.context.object, 11, 58, 3)
    scene.camera = add_camera("Above", (0, 0, 10), 0)
    scene.camera.data.type, scene.camera.data.ortho_scale = "ORTHO", 8
    scene.render.frame_map_old, scene.render.frame_map_new = 100, 75
    wanted = scene.motionclone
    wanted.use_mask = wanted.use_depth = wanted.use_vectors = True
    scene.frame_end = 41  # stretched: 54.67
    folder = captured(part, tmp_path, controls=["depth_control"])
    masks = [np.where(picture[..., 0] > 128)[1].mean() for picture in pictures(folder, "mask")]
    depths = [np.where(picture[..., 0] > 20)[1].mean() for picture in pictures(folder, "depth")]
    assert masks == pytest.approx(depths, abs=1)
    vectors = [np.load(path) for path in sorted((folder / "vectors").iterdir())]
    moved = [np.nanmean(each[..., 0]) for each in vectors]
    assert moved == pytest.approx(np.diff(masks), abs=1)


OCIO = """
ocio_profile_version: 2
search_path: ""
strictparsing: false
roles: {scene_linear: lin, default: lin, data: raw, color_picking: enc, default_byte: enc, default_float: lin,
        default_sequencer: enc, aces_interchange: lin}
displays:
  Studio Monitor:
    - !<View> {name: Show, colorspace: show}
OTHER
active_displays: []
active_views: []
colorspaces:
  - !<ColorSpace> {name: lin, encoding: scene-linear, bitdepth: 32f}
  - !<ColorSpace> {name: raw, isdata: true}
  - !<ColorSpace>
    name: enc
    bitdepth: 8ui
    from_reference: !<ExponentWithLinearTransform> {gamma: [2.4, 2.4, 2.4, 1], offset: [0.055, 0.055, 0.055, 0], direction: inverse}
  - !<ColorSpace>
    name: show
    bitdepth: 8ui
    from_reference: !<ExponentTransform> {value: [0.25, 0.25, 0.25, 1]}
"""  # noqa: E501


@pytest.mark.parametrize("other, expected", [("    - !<View> {name: Plain, colorspace: enc}", "Plain"), ("", "None")])
def test_a_studio_s_color_configuration(extension_zip, tmp_path, other, expected):
    """In a Blender of its own, which reads its configuration once. A view is found by trying, or its lack is noted."""
    config, script = tmp_path / "config.ocio", Path(__file__).with_name("studio_colors.py")
    config.write_text(OCIO.replace("OTHER", other), encoding="utf-8")
    own = {"OCIO": str(config), "BLENDER_USER_RESOURCES": str(tmp_path / "user"), "PYTHONPATH": str(ROOT)}
    said = subprocess.run(
        [sys.executable, str(script), str(extension_zip)],
        env=os.environ | own,
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    view, grey, notes = said.splitlines()[-1].split("|")
    assert view == expected
    assert abs(int(grey) - 128) <= 2 if expected == "Plain" else "no neutral view" in notes
