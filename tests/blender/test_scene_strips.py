"""A scene strip's reference shows what Blender's own sequencer shows at the same frames, or is refused in words."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from tests.blender.conftest import add_camera
from tests.blender.pictures import read_png

MODEL = {"name": "demo", "frames": 4, "most_frames": 32, "area": 4096, "multiple": 16, "controls": []}
FIRST = 101


def use_workbench(scene) -> None:
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x, scene.render.resolution_y = 80, 48
    scene.view_settings.view_transform = "Standard"
    image = scene.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "IMAGE"
    image.file_format = "PNG"


@pytest.fixture
def edit(scene):
    """An edit whose active strip shows the scene's 48 frames from frame 101 on. Its cube is white, all else black."""
    bpy.data.objects.remove(scene.objects["Plane"])
    use_workbench(scene)
    other = bpy.data.scenes.new("Edit")
    use_workbench(other)
    editor = other.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    editor.active_strip = strips.new_scene(name="Shot", scene=scene, channel=1, frame_start=FIRST)
    wanted = other.motionclone
    wanted.source, wanted.prompt, wanted.reference_shading = "STRIP", "a ball", "PLAIN"
    return other


def strip_of(edit):
    return edit.sequence_editor.active_strip


def captured(edit, part, folder):
    with bpy.context.temp_override(scene=edit, view_layer=edit.view_layers[0]):
        (plan,) = part("capture.plan").plans_of(bpy.context, [MODEL])
        return plan, part("capture.job").capture_job(plan, folder / "jobs")


def place(picture) -> float:
    """Where the cube is, across: it slides at even speed, so its place tells the frame."""
    grey = picture.astype(float).mean(2)
    grey = np.abs(grey - np.median(grey))  # Blender's own background is of another grey
    grey[grey < 0.3 * grey.max()] = 0
    return float((grey.sum(0) * np.arange(grey.shape[1])).sum() / grey.sum())


def ours(folder) -> list[float]:
    return [place(read_png(path)) for path in sorted((folder / "reference").iterdir())]


def blenders(edit, plan, part, folder) -> list[float]:
    """Blender's own sequencer at the timeline's frames nearest to those of the reference."""
    edit.render.use_sequencer, edit.render.filepath = True, str(folder / "frame.png")
    seen = []
    for frame, part_of_it in part("capture.frame_times").frame_times(plan.shot.start, plan.shot.end, plan.count):
        edit.frame_set(round(frame + part_of_it))
        with bpy.context.temp_override(scene=edit, view_layer=edit.view_layers[0]):
            bpy.ops.render.render(write_still=True, scene=edit.name)
        seen.append(place(read_png(folder / "frame.png")))
    return seen


def retime(strip) -> None:
    strip.retiming_keys.add(timeline_frame=125)
    strip.retiming_keys[1].timeline_frame = 113


def hold_ends(strip) -> None:
    strip.frame_final_start, strip.frame_final_end = 91, 160


def in_a_meta(strip) -> None:
    editor = strip.id_data.sequence_editor
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    meta = strips.new_meta(name="Meta", channel=2, frame_start=FIRST)
    strip.move_to_meta(meta)
    meta.frame_final_end, meta.frame_final_start = 140, 106
    editor.active_strip = strip


CHANGES = {
    "plain": lambda strip: None,
    "trimmed": lambda strip: setattr(strip, "frame_final_start", 111),
    "offset": lambda strip: setattr(strip, "animation_offset_start", 10),
    "reversed": lambda strip: setattr(strip, "use_reverse_frames", True),
    "strobe": lambda strip: setattr(strip, "strobe", 4),
    "held ends": hold_ends,
    "retimed": retime,
    "in a trimmed meta": in_a_meta,
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_reference_shows_what_the_sequencer_shows(edit, part, tmp_path, change):
    if change == "retimed" and bpy.app.version < (5, 0):
        pytest.skip("before Blender 5, retiming a strip from Python crashes without a window")
    CHANGES[change](strip_of(edit))
    plan, folder = captured(edit, part, tmp_path)
    assert ours(folder) == pytest.approx(blenders(edit, plan, part, tmp_path), abs=2)  # a frame is 1.2
    assert not bpy.data.cameras.get("MotionClone capture") and len(bpy.data.scenes) == 2


def set_scale(strip) -> None:
    strip.transform.scale_x = 1.5


def move(strip) -> None:
    strip.transform.offset_y = 9


def turn(strip) -> None:
    strip.transform.rotation = 0.5


def crop(strip) -> None:
    strip.crop.max_x = 12


def flip(strip) -> None:
    strip.use_flip_x = True


def shrink_the_scene(strip) -> None:
    strip.scene.render.resolution_percentage = 50


def animate(strip) -> None:
    strip.transform.keyframe_insert("offset_x", frame=120)


@pytest.mark.parametrize(
    "change, named",
    [
        (set_scale, "its Scale is 1.5 x 1, and 1 x 1 would fill the frame"),
        (shrink_the_scene, "its Scale is 1 x 1, and 2 x 2 would fill the frame"),
        (move, "its Position is 0 x 9"),
        (turn, "its Rotation is set"),
        (crop, "its Crop is set"),
        (flip, "its Mirror .Flip X. is on"),
        (animate, "its property transform.offset_x is animated"),
    ],
)
def test_a_strip_that_shows_part_of_its_scene_is_refused(edit, part, tmp_path, change, named):
    change(strip_of(edit))
    with pytest.raises(
        part("backend.job_folder.problem").Problem, match=f"'Shot' does not show its scene's whole picture: {named}"
    ):
        captured(edit, part, tmp_path)


def test_a_strip_whose_scale_fits_the_edit_is_taken(edit, part, tmp_path):
    strip_of(edit).scene.render.resolution_percentage = 50
    strip_of(edit).transform.scale_x = strip_of(edit).transform.scale_y = 2
    plan, folder = captured(edit, part, tmp_path)
    assert ours(folder) == pytest.approx(blenders(edit, plan, part, tmp_path), abs=3)  # enlarged from half its size


def test_the_markers_of_the_strip_s_scene_choose_its_camera(edit, scene, part, tmp_path):
    """Not the camera that the scene's playhead has chosen last."""
    own = scene.camera
    scene.timeline_markers.new("A", frame=11).camera = add_camera("Left", (-1, -12, 4), 1.3)
    scene.timeline_markers.new("B", frame=100).camera = own
    scene.frame_set(100)
    plan, folder = captured(edit, part, tmp_path)
    assert scene.camera.name == "Camera"
    assert ours(folder) == pytest.approx(blenders(edit, plan, part, tmp_path), abs=2)
    scene.timeline_markers.new("Cut", frame=30).camera = own
    with pytest.raises(
        part("backend.job_folder.problem").Problem, match="'Shot' shows a cut to another camera at frame 42"
    ):
        captured(edit, part, tmp_path)
    strip_of(edit).scene_camera = own
    captured(edit, part, tmp_path)


def test_vectors_of_a_strip_that_plays_backwards_are_refused(edit, part, tmp_path):
    strip_of(edit).use_reverse_frames = True
    edit.motionclone.use_vectors = True
    with pytest.raises(part("backend.job_folder.problem").Problem, match="or its time is not uniform"):
        captured(edit, part, tmp_path)


def test_effects_above_are_named(edit, part, tmp_path):
    editor = edit.sequence_editor
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    end = {"length": 48} if bpy.app.version >= (5, 0) else {"frame_end": FIRST + 48}
    strips.new_effect(name="Grade", type="ADJUSTMENT", channel=3, frame_start=FIRST, **end)
    with bpy.context.temp_override(scene=edit, view_layer=edit.view_layers[0]):
        (plan,) = part("capture.plan").plans_of(bpy.context, [MODEL])
    assert plan.request.notes == ["The reference shows the strip 'Shot' without the effects above it: Grade."]
