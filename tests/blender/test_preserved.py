"""What a capture borrows it gives back."""

from __future__ import annotations

import bpy
import pytest

from tests.blender.conftest import add_camera

WATCHED = ("render", "render.image_settings", "render.ffmpeg", "view_settings", "display_settings", "display.shading")


def everything(scene: bpy.types.Scene) -> dict:
    """Every plain value of the scene and of its settings, read without the code under test."""
    owners = {"": scene} | {path: scene.path_resolve(path) for path in WATCHED}
    return {
        f"{path}.{p.identifier}": repr(_plain(getattr(owner, p.identifier)))
        for path, owner in owners.items()
        for p in owner.bl_rna.properties
        if p.type not in ("POINTER", "COLLECTION")
    } | {"camera": repr(scene.camera)}


def _plain(value):
    return tuple(value) if hasattr(value, "__iter__") and not isinstance(value, str | set) else value


def as_a_user_would(scene: bpy.types.Scene, engine: str = "CYCLES") -> None:
    """Settings far from the defaults, those with dependencies among them."""
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


def as_a_still(scene: bpy.types.Scene) -> None:
    as_a_user_would(scene, "BLENDER_WORKBENCH")
    image = scene.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "MULTI_LAYER_IMAGE"
    image.file_format = "OPEN_EXR_MULTILAYER"
    image.color_depth = "16"
    image.exr_codec = "DWAA"


def capture(scene, part, folder, on_frame=lambda done, of: None):
    shot = part("capture.shot").shot_of(scene)
    model = {"area": 4096, "multiple": 16}
    part("capture.camera_clip").render_reference(scene, shot, model, 4, folder, on_frame)


@pytest.mark.parametrize("style", [lambda scene: None, as_a_user_would, as_a_still])
def test_a_capture_leaves_the_scene_as_it_was(scene, part, tmp_path, style):
    style(scene)
    before = everything(scene)
    capture(scene, part, tmp_path / "reference")
    assert len(list((tmp_path / "reference").glob("*.png"))) == 4
    assert everything(scene) == before


@pytest.mark.parametrize("error", [RuntimeError("disk on fire"), KeyboardInterrupt()])
def test_also_when_it_fails_midway(scene, part, tmp_path, error):
    as_a_user_would(scene)
    before = everything(scene)

    def fail(done, of):
        if done == 2:
            raise error

    with pytest.raises(type(error)):
        capture(scene, part, tmp_path / "reference", fail)
    assert everything(scene) == before


def test_a_camera_chosen_against_the_markers_stays_chosen(scene, part, tmp_path):
    """Markers bound to cameras switch the scene's camera while frames pass."""
    chosen = scene.camera
    marker = scene.timeline_markers.new("Cut", frame=12)
    marker.camera = add_camera("Other", (0, 0, 10), 0)
    scene.frame_set(20)
    assert scene.camera != chosen
    scene.camera = chosen
    capture(scene, part, tmp_path / "reference")
    assert scene.camera == chosen


def test_every_setting_that_can_be_written_comes_back(scene, part):
    """Not only those a capture touches: everything it may touch in some version of Blender."""
    preserved = part("capture.preserved")
    before = everything(scene)
    with preserved.preserved(scene):
        as_a_still(scene)
        assert everything(scene) != before
    assert everything(scene) == before
