"""The result as a strip: on the shot's frames, over the whole frame, in its own colours."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest

from tests.blender.pictures import chart, read_png
from tests.blender.test_job import error_of


def strips_of(scene):
    editor = scene.sequence_editor
    return list(editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all)


def render(scene, frame: int, path: Path) -> np.ndarray:
    """What a render of the sequence writes for that frame."""
    scene.frame_set(frame)
    if hasattr(scene.render.image_settings, "media_type"):
        scene.render.image_settings.media_type = "IMAGE"
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath, scene.render.use_sequencer = str(path), True
    bpy.ops.render.render(write_still=True)
    return read_png(path)


def difference(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b).max())


def test_one_strip_frame_to_each_scene_frame_in_its_own_colours(scene, job, tmp_path):
    """AgX, a look and exposure would regrade it; 48 frames, every one compared with what the backend wrote."""
    view = scene.view_settings
    view.view_transform, view.look, view.exposure, view.gamma = "AgX", "AgX - Punchy", 0.5, 1.2
    scene.render.resolution_x, scene.render.resolution_y = 80, 48
    scene.render.dither_intensity = 0
    assert bpy.ops.motionclone.take_place() == {"FINISHED"}
    worst = max(difference(render(scene, 11 + k, tmp_path / f"{k}.png"), chart(k)) for k in range(48))
    assert worst <= 3  # yuv444p and back


def test_the_strip_lies_on_exactly_the_shot_s_frames_and_the_scene_keeps_its_own(scene, job):
    scene.frame_start, scene.frame_end, scene.render.fps = 1, 500, 25
    kept = "frame_start", "frame_end", "frame_current"
    before = [getattr(scene, name) for name in kept]
    assert bpy.ops.motionclone.take_place() == {"FINISHED"}
    (strip,) = strips_of(scene)
    assert (strip.frame_final_start, strip.frame_final_end, strip.frame_duration) == (11, 59, 48)
    assert [getattr(scene, name) for name in kept] == before
    render = scene.render
    assert (render.fps, render.fps_base, render.resolution_x, render.resolution_y) == (25, 1.0, 320, 180)
    assert strip.name == "a red ball on green ground under a blue sky (seed 3)"
    assert strip.colorspace_settings.name == "sRGB"


def test_at_another_frame_rate_too_frames_follow_one_by_one(scene, job, tmp_path):
    scene.render.fps, scene.render.resolution_x, scene.render.resolution_y = 60, 80, 48
    bpy.ops.motionclone.take_place()
    for k in (0, 1, 20, 47):
        assert difference(render(scene, 11 + k, tmp_path / f"{k}.png"), chart(k)) <= 3


def test_it_fills_the_frame(scene, job, tmp_path):
    """The clip is 80 x 48, the shot 16:9: stretched, as the capture was squeezed."""
    bpy.ops.motionclone.take_place()
    picture = render(scene, 41, tmp_path / "frame.png")
    assert picture.shape == (180, 320, 3)
    assert difference(picture[:85], np.full((85, 320, 3), 4 * 30)) <= 3
    assert difference(picture[100:, 8:32], np.full((80, 24, 3), (255, 0, 0))) <= 3
    assert difference(picture[100:, 288:], np.zeros((80, 32, 3))) <= 3


def test_takes_that_replace_none_lie_above_one_another(scene, job):
    for _ in range(3):
        bpy.ops.motionclone.take_place(replace=False)
    assert sorted(strip.channel for strip in strips_of(scene)) == [1, 2, 3]
    assert len({strip.name for strip in strips_of(scene)}) == 3


@pytest.fixture
def editor(scene):
    return scene.sequence_editor_create()


def add(editor, channel: int, start: int, end: int) -> None:
    """A strip there."""
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    until = {"length": end - start} if bpy.app.version >= (5, 0) else {"frame_end": end}
    strips.new_effect(name="Colour", type="COLOR", channel=channel, frame_start=start, **until)


def test_a_free_channel_is_above_what_touches_the_shot_only(editor, part):
    free = part("results.movie_strip").free_channel
    add(editor, 5, 1, 11)
    add(editor, 7, 59, 80)
    assert free(editor, 11, 59) == 1
    add(editor, 2, 1, 12)
    add(editor, 1, 58, 80)
    assert free(editor, 11, 59) == 3
    editor.channels[3].lock = editor.channels[4].mute = True
    assert free(editor, 11, 59) == 5
    add(editor, 128, 20, 30)
    with pytest.raises(part("backend.job_folder.problem").Problem, match="no free channel"):
        free(editor, 11, 59)


def test_who_wants_to_keep_the_view_keeps_it_and_is_told(scene, job, capfd):
    scene.view_settings.view_transform = "AgX"
    bpy.ops.motionclone.take_place(keep_view=True)
    assert scene.view_settings.view_transform == "AgX"
    assert "view transform is still AgX, which shows saturated colors of the clip paler" in capfd.readouterr().out
    scene.view_settings.exposure = 1
    bpy.ops.motionclone.take_place(keep_view=True)
    assert "view transform changes the clip's colors: view transform AgX, exposure 1.0" in capfd.readouterr().out


def test_a_changed_view_is_told(scene, job, capfd):
    scene.view_settings.view_transform, scene.view_settings.exposure = "AgX", 1
    bpy.ops.motionclone.take_place()
    assert "is now Standard" in (said := capfd.readouterr().out) and "view transform AgX, exposure 1.0" in said
    bpy.ops.motionclone.take_place()
    assert "Warning" not in capfd.readouterr().out


def test_paths_are_relative_once_the_file_is_saved(scene, job, tmp_path):
    bpy.ops.motionclone.take_place()
    assert strips_of(scene)[0].filepath == str(job / "result.mp4")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "böhmische shot.blend"))
    bpy.ops.motionclone.take_place(replace=False)
    bpy.context.preferences.filepaths.use_relative_paths = False
    try:
        bpy.ops.motionclone.take_place(replace=False)
    finally:
        bpy.context.preferences.filepaths.use_relative_paths = True
    by_channel = {strip.channel: strip for strip in strips_of(bpy.context.scene)}
    assert by_channel[2].filepath.replace("\\", "/") == "//Aufträge 猫 jobs/20261123-120000-abc123/result.mp4"
    assert by_channel[2].frame_duration == 48 and by_channel[3].filepath == str(job / "result.mp4")


@pytest.mark.skipif(bpy.app.version < (5, 0), reason="a workspace of Blender 4 shows no scene's sequence of its own")
def test_blender_5_shows_the_scene_s_sequence(scene, job, capfd):
    workspace = bpy.context.workspace
    workspace.sequencer_scene = None
    bpy.ops.motionclone.take_place()
    assert workspace.sequencer_scene == scene
    workspace.sequencer_scene = other = bpy.data.scenes.new("Edit")
    bpy.ops.motionclone.take_place()
    assert workspace.sequencer_scene == other
    assert "was placed on channel 1 of scene 'Scene', from frame 11" in capfd.readouterr().out


def test_jobs_not_made_in_blender_start_where_the_scene_does(scene, job):
    (job / "blender.json").unlink()
    scene.frame_start = 5
    bpy.ops.motionclone.take_place(job=str(job))
    assert strips_of(scene)[0].frame_final_start == 5


def break_place(job):
    (job / "blender.json").write_text("{}")


def remove_request(job):
    (job / "job.json").unlink()


def remove_movie(job):
    (job / "result.mp4").unlink()


def longer_shot(job):
    text = (job / "job.json").read_text()
    (job / "job.json").write_text(text.replace('"frames": 48', '"frames": 50'))


def no_movie(job):
    (job / "result.mp4").write_text("nothing")


def empty_movie(job):
    (job / "result.mp4").write_bytes(b"")


def cut_movie(job):
    movie = job / "result.mp4"
    movie.write_bytes(movie.read_bytes()[:-1])


@pytest.mark.parametrize(
    "harm, sentence",
    [
        (break_place, "blender.json cannot be read"),
        (remove_request, "There is no job.json"),
        (remove_movie, "has no result.mp4. Wait until it has finished"),
        (longer_shot, "has 48 frames, but the shot has 50"),
        (no_movie, "result.mp4 is truncated or not a movie"),
        (empty_movie, "result.mp4 is truncated or not a movie"),
        (cut_movie, "result.mp4 is truncated or not a movie"),
    ],
)
def test_a_job_that_cannot_be_imported_says_why_and_changes_nothing(scene, job, harm, sentence):
    harm(job)
    assert sentence in error_of(bpy.ops.motionclone.take_place)
    assert not scene.sequence_editor or not strips_of(scene)
    assert scene.view_settings.view_transform == "AgX"


def test_no_job_and_a_lost_job(scene, tmp_path):
    assert "no MotionClone job yet" in error_of(bpy.ops.motionclone.take_place)
    assert "There is no job folder" in error_of(bpy.ops.motionclone.take_place, job=str(tmp_path / "lost"))


@pytest.mark.parametrize("prompt", ["word " * 40, "猫" * 60, "x" * 200])
def test_strip_names_fit(part, prompt):
    request = part("results.finished_job").JobRequest(prompt=prompt, shot=None, seed=12)
    name = part("results.finished_job").strip_name(request)
    assert len(name.encode()) <= 63 and name.endswith(" (seed 12)") and "�" not in name


def test_the_view_can_be_had_back(scene, job):
    view = scene.view_settings
    view.view_transform, view.look, view.exposure = "AgX", "AgX - Punchy", 0.5
    assert not bpy.ops.motionclone.restore_view.poll()
    bpy.ops.motionclone.take_place()
    assert (view.view_transform, view.look, view.exposure) == ("Standard", "None", 0.0)
    bpy.ops.motionclone.take_place()  # nothing is left to change, and nothing forgotten
    assert bpy.ops.motionclone.restore_view() == {"FINISHED"}
    assert (view.view_transform, view.look, view.exposure) == ("AgX", "AgX - Punchy", 0.5)
    assert not bpy.ops.motionclone.restore_view.poll()
