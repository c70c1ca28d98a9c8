"""A capture reads the user's scene and touches nothing of it."""

from __future__ import annotations

import bpy
import pytest

from tests.blender.conftest import add_camera
from tests.blender.everything import changes, everything

MODEL = {"name": "demo", "frames": 4, "most_frames": 32, "area": 1024, "multiple": 16}


def as_a_user_would(scene: bpy.types.Scene, engine: str = "CYCLES") -> None:
    """Settings far from the defaults, those with dependencies among them; something moved and not keyed."""
    render, image = scene.render, scene.render.image_settings
    render.engine = engine
    render.resolution_percentage, render.pixel_aspect_x, render.pixel_aspect_y = 50, 1.0, 1.5
    render.filepath, render.use_file_extension, render.film_transparent = "//renders/shot_", False, True
    render.use_border, render.use_crop_to_border, render.border_max_x = True, True, 0.5
    render.use_motion_blur, render.use_stamp, render.use_multiview = True, True, True
    render.dither_intensity = 2.0
    if hasattr(image, "media_type"):
        image.media_type = "VIDEO"
    image.file_format = "FFMPEG"
    render.ffmpeg.format, render.ffmpeg.codec, render.ffmpeg.constant_rate_factor = "MKV", "FFV1", "NONE"
    image.color_management, image.color_mode = "OVERRIDE", "RGB"
    view = scene.view_settings
    view.view_transform, view.look, view.exposure, view.gamma = "AgX", "AgX - Punchy", 1.5, 0.8
    view.use_curve_mapping = True
    scene.frame_set(23, subframe=0.25)
    other = scene.view_layers.new("Other layer")
    other.material_override = bpy.data.materials.new("Mine")
    scene.timeline_markers.new("Cut", frame=12)
    ball = bpy.data.objects.new("Ball", scene.objects["Cube"].data)
    scene.collection.objects.link(ball)
    for frame, x in ((11, 0), (58, 5)):
        ball.location.x = x
        ball.keyframe_insert("location", frame=frame)
    scene.frame_set(23, subframe=0.25)
    bpy.context.view_layer.update()
    ball.location = (1, 2, 3)  # moved and not keyed: lost as soon as its animation is evaluated


def as_a_still(scene: bpy.types.Scene) -> None:
    as_a_user_would(scene, "BLENDER_WORKBENCH")
    image = scene.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "MULTI_LAYER_IMAGE"
    image.file_format = "OPEN_EXR_MULTILAYER"
    image.color_depth = "16"
    image.exr_codec = "DWAA"


def plan_of(scene, part, look="PLAIN", passes=False):
    wanted = scene.motionclone
    wanted.reference_shading, wanted.use_mask, wanted.use_depth, wanted.use_vectors = look, passes, passes, passes
    (plan,) = part("capture.plan").plans_of(bpy.context, [MODEL])
    bpy.context.view_layer.update()
    return plan


@pytest.mark.parametrize("look", ["MOTION", "PLAIN", "AS_SEEN"])
@pytest.mark.parametrize("style", [lambda scene: None, as_a_user_would, as_a_still])
def test_a_capture_leaves_everything_as_it_was(scene, part, tmp_path, style, look):
    style(scene)
    plan = plan_of(scene, part, look, passes=look == "MOTION")
    before = everything()
    folder = part("capture.job").capture_job(plan, tmp_path)
    assert len(list((folder / "reference").glob("*.png"))) == 4
    assert not changes(before, everything())


def test_what_was_moved_and_not_keyed_stays_when_blender_looks_again(scene, part, tmp_path):
    """A render makes Blender evaluate all animation anew, sooner or later."""
    ball, world = bpy.data.objects.new("Ball", scene.objects["Cube"].data), bpy.data.worlds.new("World")
    scene.collection.objects.link(ball)
    scene.world = world
    ball["size"] = 1.0
    for owner, path in ((ball, "location"), (ball, '["size"]'), (world, "color")):
        owner.keyframe_insert(path, frame=scene.frame_start)
    bpy.context.view_layer.update()
    ball.location, ball["size"], world.color = (1, 2, 3), 5.0, (0.25, 0.5, 0.75)
    part("capture.job").capture_job(plan_of(scene, part), tmp_path)
    bpy.context.view_layer.update()
    assert [*ball.location, ball["size"], *world.color] == [1, 2, 3, 5, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("error", [RuntimeError("disk on fire"), KeyboardInterrupt()])
def test_also_when_it_fails_midway(scene, part, tmp_path, error):
    as_a_user_would(scene)
    plan = plan_of(scene, part, "MOTION")
    before = everything()

    def fail(done, of):
        if done == 2:
            raise error

    with pytest.raises(type(error)):
        part("capture.job").capture_job(plan, tmp_path, fail)
    assert not changes(before, everything()) and list(tmp_path.iterdir()) == []


def test_also_when_it_is_cancelled_midway_and_between_its_steps(scene, part, tmp_path):
    """ESC closes the generator; between two steps Blender draws, saves and undoes as ever."""
    as_a_user_would(scene)
    plan = plan_of(scene, part, "MOTION")
    before = everything()
    steps = part("capture.job").capture_steps(plan, tmp_path)
    assert next(steps) == (1, 4)
    mine = f"scenes[{scene.name!r}]"
    between = {name: value for name, value in everything().items() if name.startswith(mine) and ".users" not in name}
    assert not changes({name: before[name] for name in between}, between)
    assert next(steps) == (2, 4)
    steps.close()
    assert not changes(before, everything()) and list(tmp_path.iterdir()) == []


def test_the_undo_stack_has_nothing_of_it(scene, part, tmp_path):
    bpy.ops.ed.undo_push(message="First")
    scene.objects["Cube"].location.y = 5
    bpy.ops.ed.undo_push(message="Moved")
    part("capture.job").capture_job(plan_of(scene, part, "MOTION"), tmp_path)
    bpy.ops.ed.undo()
    assert bpy.context.scene.objects["Cube"].location.y == 0
    bpy.ops.ed.redo()
    assert bpy.context.scene.objects["Cube"].location.y == 5
    assert [scene.name for scene in bpy.data.scenes if "MotionClone" in scene.name] == []


def test_an_own_render_stays_in_the_render_result(scene, part, tmp_path):
    scene.render.engine, scene.render.resolution_x, scene.render.resolution_y = "BLENDER_WORKBENCH", 64, 48
    bpy.ops.render.render()
    part("capture.job").capture_job(plan_of(scene, part), tmp_path)
    bpy.data.images["Render Result"].save_render(str(tmp_path / "mine.png"))
    saved = bpy.data.images.load(str(tmp_path / "mine.png"))
    assert tuple(saved.size) == (64, 48)


def test_an_undo_or_another_file_half_way_ends_the_capture_in_words(scene, part, tmp_path):
    steps = part("capture.job").capture_steps(plan_of(scene, part, "MOTION"), tmp_path)
    next(steps)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with pytest.raises(part("backend.job_folder.problem").Problem, match="The scene was changed during the capture"):
        next(steps)
    assert list(tmp_path.iterdir()) == []


def test_a_camera_chosen_against_the_markers_shows_the_whole_range(scene, part, tmp_path):
    """Markers bound to cameras switch the scene's camera while frames pass; a reference has no cuts."""
    chosen = scene.camera
    marker = scene.timeline_markers.new("Cut", frame=12)
    marker.camera = add_camera("Other", (0, 0, 10), 0)
    scene.frame_set(20)
    assert scene.camera != chosen
    scene.camera = chosen
    plan = plan_of(scene, part)
    assert plan.target.camera == "Camera" and "a cut to another camera" in plan.request.notes[0]
    folder = part("capture.job").capture_job(plan, tmp_path)
    assert scene.camera == chosen
    alone = [path.read_bytes() for path in sorted((folder / "reference").iterdir())]
    scene.timeline_markers.clear()
    folder = part("capture.job").capture_job(plan_of(scene, part), tmp_path)
    assert [path.read_bytes() for path in sorted((folder / "reference").iterdir())] == alone
