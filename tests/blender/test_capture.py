"""The reference clip: which moments, which frame of the picture, which colours."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from tests.blender.conftest import add_camera, slide
from tests.blender.pictures import chart, read_png, write_png

MODEL = {"name": "demo", "frames": 16, "most_frames": 32, "area": 4096, "multiple": 16}


@pytest.fixture
def flat(scene) -> bpy.types.Scene:
    """A red square seen from above, moving from left to right; colours as they are, without light."""
    for item in list(scene.objects):
        bpy.data.objects.remove(item)
    bpy.ops.mesh.primitive_plane_add(size=1)
    square = bpy.context.object
    square.name = "Square"
    material = bpy.data.materials.new("Red")
    material.diffuse_color = (1, 0, 0, 1)
    square.data.materials.append(material)
    slide(square, 11, 58, 3)
    scene.camera = add_camera("Above", (0, 0, 10), 0)
    scene.camera.data.type, scene.camera.data.ortho_scale = "ORTHO", 8
    shading = scene.display.shading
    shading.light, shading.color_type, shading.background_type = "FLAT", "MATERIAL", "WORLD"
    scene.world = bpy.data.worlds.new("Sky")
    scene.world.color = (0, 0, 1)
    scene.motionclone.reference_shading = "AS_SEEN"
    return scene


def capture(scene, part, jobs, count=16, model=MODEL):
    scene.motionclone.settings = f"frames={count}"
    (plan,) = part("capture.plan").plans_of(bpy.context, [model])
    folder = part("capture.job").capture_job(plan, jobs)
    return np.stack([read_png(path) for path in sorted((folder / "reference").glob("*.png"))])


def centres(clip):
    """(x, y) of the red pixels in each frame, as shares of the width and the height."""
    places = []
    for frame in clip.astype(float):
        red = np.clip(frame[..., 0] - frame[..., 2], 0, 255)
        y, x = np.mgrid[: frame.shape[0], : frame.shape[1]] + 0.5
        places.append(((red * x).sum() / red.sum() / frame.shape[1], (red * y).sum() / red.sum() / frame.shape[0]))
    return np.array(places)


def is_colour(pixels, colour):
    """Blender 4.2 shows black as 2 of 255."""
    return np.abs(pixels.astype(int) - colour).max() <= 2


@pytest.mark.parametrize("count", [16, 7])
def test_the_model_s_frames_lie_evenly_on_the_shot_sub_frames_included(flat, part, tmp_path, count):
    """48 scene frames stand behind each clip; the square moves at even speed, 6 of the picture's 8 units."""
    clip = capture(flat, part, tmp_path / "jobs", count)
    assert clip.shape == (count, 48, 80, 3)
    expected = 0.5 + np.linspace(-3, 3, count) / 8
    assert np.abs(centres(clip)[:, 0] - expected).max() < 0.25 / 80  # a quarter of a pixel


def test_a_short_shot_is_slowed_down_to_the_model_s_frames(flat, part, tmp_path):
    """5 scene frames, 16 model frames: three moments in four lie between frames."""
    flat.frame_start, flat.frame_end = 30, 34
    x = centres(capture(flat, part, tmp_path / "jobs"))[:, 0]
    expected = 0.5 + (-3 + 6 * (np.linspace(30, 34, 16) - 11) / 47) / 8
    assert np.abs(x - expected).max() < 0.25 / 80


def test_colours_are_plain_srgb_whatever_the_scene_s_view(flat, part, tmp_path):
    flat.view_settings.view_transform, flat.view_settings.exposure = "AgX", 2
    flat.render.film_transparent = True
    clip = capture(flat, part, tmp_path / "jobs", 2)
    assert is_colour(clip[0, 2, 2], (0, 0, 255)) and is_colour(clip[0, 24, 10], (255, 0, 0))


@pytest.mark.parametrize(
    "width, height, pixels, size",
    [
        (320, 180, (1, 1), (48, 80)),
        (180, 320, (1, 1), (80, 48)),
        (100, 100, (2, 1), (48, 96)),
        (64, 64, (1, 1), (64, 64)),
    ],
)
def test_the_clip_holds_exactly_the_camera_s_frame(flat, part, tmp_path, width, height, pixels, size):
    """A square over the whole height of the frame's left half fills exactly the left half of the clip."""
    flat.render.resolution_x, flat.render.resolution_y = width, height
    flat.render.pixel_aspect_x, flat.render.pixel_aspect_y = pixels
    shown_width, shown_height = width * pixels[0], height * pixels[1]
    longest = max(shown_width, shown_height)
    square = flat.objects["Square"]
    square.driver_remove("location", 0)
    square.scale = (8 * shown_width / longest / 2, 8 * shown_height / longest, 1)
    square.location = (-8 * shown_width / longest / 4, 0, 0)
    clip = capture(flat, part, tmp_path / "jobs", 2)
    assert clip.shape[1:3] == size
    half = size[1] // 2
    assert is_colour(clip[0, :, : half - 1], (255, 0, 0)) and is_colour(clip[0, :, half + 1 :], (0, 0, 255))


def test_strips_compositing_borders_and_stamps_stay_out(flat, part, tmp_path):
    plain = capture(flat, part, tmp_path / "jobs", 2)
    chart_path = tmp_path / "chart.png"
    write_png(chart_path, chart(0))
    editor = flat.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strips.new_image(name="over", filepath=str(chart_path), channel=1, frame_start=1)
    if hasattr(flat, "compositing_node_group"):  # Blender 5
        flat.compositing_node_group = bpy.data.node_groups.new("Nothing", "CompositorNodeTree")
    else:
        flat.use_nodes = True
        flat.node_tree.nodes.clear()
    render = flat.render
    render.use_border = render.use_crop_to_border = render.use_stamp = render.use_motion_blur = True
    render.border_max_x = 0.3
    assert (capture(flat, part, tmp_path / "jobs", 2) == plain).all()


def test_simulations_see_every_frame_in_order(flat, part, tmp_path):
    """An uncached simulation only knows its next frame from the one before."""
    seen = []

    def note(scene, *_):
        if scene.frame_subframe == 0:
            seen.append(scene.frame_current)

    bpy.app.handlers.frame_change_post.append(note)
    try:
        capture(flat, part, tmp_path / "jobs", 4)
    finally:
        bpy.app.handlers.frame_change_post.remove(note)
    walked = seen[: seen.index(58) + 1]
    assert walked == sorted(walked)
    assert set(range(11, 59)) - set(walked) == {26, 42}  # visited as the sub-frames 26.67 and 42.33
