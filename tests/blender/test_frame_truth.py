"""A reference whose frames carry their numbers comes back from the worker with every number on its own scene frame."""

from __future__ import annotations

import os
import re
from pathlib import Path

import bpy
import pytest

from tests.blender.numbered import number_in, run_dummy, write_job
from tests.blender.pictures import read_png
from tests.blender.test_job import error_of

pytestmark = pytest.mark.skipif(
    not os.environ.get("MOTIONCLONE_BACKEND_PYTHON"),
    reason="MOTIONCLONE_BACKEND_PYTHON is not set; `python3 -m install test` sets it",
)

RATES = {23.976: (24, 1.001), 24.0: (24, 1.0), 25.0: (25, 1.0), 30.0: (30, 1.0), 60.0: (60, 1.0)}
STARTS = {16: 1, 24: 101, 48: 0, 100: 1001}  # a start frame for each length
MODEL_FRAMES = 16


@pytest.fixture(scope="module")
def jobs_of_lengths(tmp_path_factory, installed) -> dict[tuple[int, float, int], Path]:
    """(length, fps, frames of the model) -> a finished job. The reference shows frame numbers, counted from 0."""
    folder, jobs = tmp_path_factory.mktemp("numbers"), {}
    for length, start in STARTS.items():
        for fps in RATES:
            for count in {length, MODEL_FRAMES}:
                numbers = [round(k * (length - 1) / (count - 1)) for k in range(count)]
                job = folder / f"{length}-{round(1000 * fps)}-{count}"
                jobs[length, fps, count] = write_job(job, numbers, start, length, fps, "Camera")
    run_dummy(list(jobs.values()))
    return jobs


def set_rate(scene, fps: float) -> None:
    scene.render.fps, scene.render.fps_base = RATES[fps]


def numbers_of(scene, folder: Path, start: int, end: int) -> list[int]:
    """What frames start..end of an animation render show."""
    scene.frame_start, scene.frame_end = start, end
    scene.render.filepath, scene.render.use_file_extension, scene.render.use_sequencer = f"{folder}/", True, True
    bpy.ops.render.render(animation=True)
    pictures = sorted(folder.glob("*.png"), key=lambda path: int(re.sub(r"[^-\d]", "", path.stem)))
    return [number_in(read_png(path)) for path in pictures]


def number_at(scene, frame: int, path: Path) -> int:
    scene.frame_set(frame)
    scene.render.filepath, scene.render.use_sequencer = str(path), True
    bpy.ops.render.render(write_still=True)
    return number_in(read_png(path))


def expected(length: int, count: int) -> list[int]:
    """Frame f shows the model frame nearest to it, which was taken at k (length - 1) / (count - 1)."""
    spread = (length - 1) / (count - 1)
    return [round(int(f / spread + 0.5) * spread) for f in range(length)]


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("length", STARTS)
def test_frame_f_of_the_strip_shows_what_scene_frame_f_showed(small, jobs_of_lengths, tmp_path, length, fps):
    """With as many model frames as the shot has, so that every frame has a number of its own."""
    set_rate(small, fps)
    start = STARTS[length]
    bpy.ops.motionclone.take_place(job=str(jobs_of_lengths[length, fps, length]), how="STRIP")
    small.render.engine = "BLENDER_WORKBENCH"
    assert numbers_of(small, tmp_path, start, start + length - 1) == list(range(length))


@pytest.mark.parametrize("length", [24, 48, 100])
def test_a_model_s_few_frames_lie_where_they_were_taken(small, jobs_of_lengths, tmp_path, length):
    set_rate(small, 25.0)
    start, job = STARTS[length], jobs_of_lengths[length, 25.0, MODEL_FRAMES]
    bpy.ops.motionclone.take_place(job=str(job), how="STRIP")
    shown = numbers_of(small, tmp_path, start, start + length - 1)
    assert shown == expected(length, MODEL_FRAMES)
    assert shown[0] == 0 and shown[-1] == length - 1
    assert max(abs(number - f) for f, number in enumerate(shown)) <= (length - 1) / (MODEL_FRAMES - 1) / 2 + 0.5


@pytest.mark.parametrize("made, scene_s", [(24.0, 60.0), (60.0, 24.0), (23.976, 25.0), (30.0, 23.976)])
def test_a_clip_of_another_rate_is_neither_longer_nor_shorter(small, jobs_of_lengths, tmp_path, made, scene_s):
    """The user changed the scene's rate after the capture, or after placing."""
    set_rate(small, scene_s)
    bpy.ops.motionclone.take_place(job=str(jobs_of_lengths[24, made, 24]), how="STRIP")
    assert numbers_of(small, tmp_path, 101, 124) == list(range(24))
    set_rate(small, made)
    assert [number_at(small, f, tmp_path / "again.png") for f in (101, 113, 124)] == [0, 12, 23]


PLACES = [(16, 24.0), (48, 23.976), (100, 60.0)]


@pytest.mark.parametrize("length, fps", PLACES)
def test_a_texture_s_frames(small, jobs_of_lengths, tmp_path, length, fps):
    """On a square that fills an orthographic camera's frame, in flat Workbench shading."""
    set_rate(small, fps)
    square_before_the_camera(small)
    bpy.ops.motionclone.take_place(job=str(jobs_of_lengths[length, fps, length]), how="TEXTURE")
    small.render.engine, shading = "BLENDER_WORKBENCH", small.display.shading
    shading.light, shading.color_type = "FLAT", "TEXTURE"
    check_some_frames(small, tmp_path, length)


@pytest.mark.parametrize("length, fps", PLACES)
def test_a_plane_s_frames(small, jobs_of_lengths, tmp_path, length, fps):
    set_rate(small, fps)
    for thing in [thing for thing in small.objects if thing.type == "MESH"]:
        bpy.data.objects.remove(thing)
    bpy.ops.motionclone.take_place(job=str(jobs_of_lengths[length, fps, length]), how="PLANE")
    small.render.engine = "CYCLES"
    small.cycles.samples, small.cycles.use_denoising = 4, False
    check_some_frames(small, tmp_path, length)


@pytest.mark.parametrize("length, fps", PLACES)
def test_the_compositor_s_frames(small, jobs_of_lengths, tmp_path, length, fps):
    set_rate(small, fps)
    bpy.ops.motionclone.take_place(job=str(jobs_of_lengths[length, fps, length]), how="COMPOSITOR")
    show_the_clip_only(small)
    small.render.engine = "BLENDER_WORKBENCH"
    check_some_frames(small, tmp_path, length)


@pytest.mark.parametrize("length, fps", PLACES)
def test_a_background_s_frames(small, jobs_of_lengths, length, fps):
    """Backgrounds are never rendered; the number of the movie's frame is known all the same, counted from 1."""
    set_rate(small, fps)
    bpy.ops.motionclone.take_place(job=str(jobs_of_lengths[length, fps, length]), how="BACKGROUND")
    user, start = small.camera.data.background_images[0].image_user, STARTS[length]
    shown = []
    for frame in (start, start + 1, start + length // 2, start + length - 1, start + length + 20):
        small.frame_set(frame)
        shown.append(user.frame_current)
    assert shown == [1, 2, length // 2 + 1, length, length]


def check_some_frames(scene, folder: Path, length: int) -> None:
    """In an order that makes the decoder seek."""
    start = STARTS[length]
    wanted = [0, 1, length - 1, length // 2, length // 3, length // 3 + 1]
    assert [number_at(scene, start + k, folder / "frame.png") for k in wanted] == wanted


def square_before_the_camera(scene) -> None:
    bpy.ops.mesh.primitive_plane_add(size=1, location=(0, 0, 50))
    square = bpy.context.object
    square.scale.x = 3
    camera = scene.camera
    camera.location, camera.rotation_euler = (0, 0, 60), (0, 0, 0)
    camera.data.type, camera.data.ortho_scale = "ORTHO", 3


def show_the_clip_only(scene) -> None:
    """What the user does next: connects the clip to the output."""
    tree = scene.compositing_node_group if hasattr(scene, "compositing_node_group") else scene.node_tree
    output = next(n for n in tree.nodes if n.bl_idname in ("NodeGroupOutput", "CompositorNodeComposite"))
    clip = next(n for n in tree.nodes if n.bl_idname == "CompositorNodeScale")
    tree.links.new(clip.outputs[0], output.inputs[0])


def test_a_shot_whose_clip_has_too_few_frames_is_refused(scene, jobs_of_lengths, tmp_path):
    job = jobs_of_lengths[16, 24.0, 16]
    copy = tmp_path / "short"
    copy.mkdir()
    (copy / "result.mp4").write_bytes((job / "result.mp4").read_bytes())
    text = (job / "job.json").read_text(encoding="utf-8")
    (copy / "job.json").write_text(text.replace('"frames": 16', '"frames": 17'), encoding="utf-8")
    for how in ("STRIP", "PLANE", "BACKGROUND", "COMPOSITOR", "TEXTURE"):
        scene.view_settings.view_transform = "AgX"
        assert "has 16 frames, but the shot has 17" in error_of(bpy.ops.motionclone.take_place, job=str(copy), how=how)
        assert scene.view_settings.view_transform == "AgX" and not bpy.data.images
