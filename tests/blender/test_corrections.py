"""Where one setting keeps a shot from being captured, a button beneath the sentence sets it."""

from __future__ import annotations

import ast
from pathlib import Path

import bpy
import pytest

from tests.blender.conftest import add_camera
from tests.blender.test_panels import known, models, shown  # noqa: F401 (fixtures)


def keyed(scene, last: int) -> None:
    cube = scene.objects["Cube"]
    for frame in (11, last):
        cube.keyframe_insert("location", index=1, frame=frame)


def one_frame_with_keys(scene):
    scene.frame_end = 11
    keyed(scene, 40)


def ends_before_it_starts(scene):
    scene.frame_end = 5


def other_camera_and_none_in_use(scene):
    add_camera("Aside", (0, 0, 5), 0)
    scene.camera = None


def cube_as_camera(scene):
    scene.camera = scene.objects["Cube"]


def no_camera_at_all(scene):
    bpy.data.objects.remove(scene.camera)


def every_second_frame(scene):
    scene.frame_step = 2


def shots_without_markers(scene):
    scene.motionclone.shots = "ALL"


def shot_here_but_there_is_none(scene):
    scene.timeline_markers.new("F", frame=30).camera = scene.camera
    scene.motionclone.shots = "MARKER"
    scene.frame_set(90)


def markers_of_hidden_cameras(scene):
    scene.timeline_markers.new("F", frame=30).camera = add_camera("Aside", (0, 0, 5), 0)
    scene.objects["Aside"].hide_render = True
    scene.motionclone.shots = "ALL"


def mask_of_nothing(scene):
    scene.motionclone.use_mask = True
    for item in bpy.context.view_layer.objects.selected:
        item.select_set(False)


def preset_that_is_none(scene):
    scene.motionclone.quality = "quality"


CASES = [
    (other_camera_and_none_in_use, "use_camera"),
    (cube_as_camera, "use_camera"),
    (no_camera_at_all, "add_camera"),
    (one_frame_with_keys, "set_end"),
    (ends_before_it_starts, "set_end"),
    (every_second_frame, "every_frame"),
    (shots_without_markers, "use_range"),
    (shot_here_but_there_is_none, "use_range"),
    (markers_of_hidden_cameras, "use_range"),
    (mask_of_nothing, "no_mask"),
    (preset_that_is_none, "balanced"),
]


@pytest.mark.parametrize("spoil, repair", CASES)
def test_one_press_mends_it(known, scene, spoil, repair):  # noqa: F811
    assert known().problem is None
    spoil(scene)
    assert known().problem.repair == f"motionclone.{repair}"
    assert f"motionclone.{repair}" in shown("sidebar")
    assert getattr(bpy.ops.motionclone, repair)() == {"FINISHED"}
    assert known().problem is None and known().button


def test_the_end_is_the_last_key_or_after_two_seconds(known, scene):  # noqa: F811
    scene.frame_end = 11
    bpy.ops.motionclone.set_end()
    assert scene.frame_end == 58  # 48 frames at 24 a second
    keyed(scene, 40)
    bpy.ops.motionclone.set_end()
    assert scene.frame_end == 40


def test_the_active_camera_is_taken_first(known, scene):  # noqa: F811
    add_camera("Aside", (0, 0, 5), 0)
    wanted = add_camera("Wanted", (0, 0, 5), 0)
    bpy.context.view_layer.objects.active, scene.camera = wanted, None
    bpy.ops.motionclone.use_camera()
    assert scene.camera == wanted


def test_passes_that_only_a_camera_has(scene, part):
    scene.motionclone.use_depth = scene.motionclone.use_vectors = True
    bpy.ops.motionclone.no_passes()
    settings = scene.motionclone
    assert not (settings.use_mask or settings.use_depth or settings.use_vectors)


def test_a_linked_scene_is_not_mended(scene, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(tmp_path / "shot.blend"), link=True) as (theirs, ours):
        ours.scenes = theirs.scenes
    linked = next(scene for scene in bpy.data.scenes if scene.library)
    with bpy.context.temp_override(scene=linked):
        assert not bpy.ops.motionclone.set_end.poll() and not bpy.ops.motionclone.add_camera.poll()


def test_an_operator_s_id_is_typed_once(part):
    """Where it is declared: repairs, buttons and operators name it from there."""
    folder = Path(part("session").__file__).parent
    for path in folder.rglob("*.py"):
        constants = [
            node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant)
        ]
        typed = [text for text in map(str, constants) if text in list(part("declarations").Operators)]
        assert len(typed) == len(set(typed)) and (path.name == "declarations.py" or not typed), path.name
