"""The source File: the backend reads the clip, so its frames, and what is said of it, are those of the command line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import bpy
import numpy as np
import pytest

from tests.blender.numbered import ROOT
from tests.blender.pictures import chart, read_png, write_png
from tests.blender.test_sources import captured, plans

pytestmark = pytest.mark.skipif(
    not os.environ.get("MOTIONCLONE_BACKEND_PYTHON"),
    reason="MOTIONCLONE_BACKEND_PYTHON is not set; `python3 -m install test` sets it",
)


def backend(*arguments: object) -> str:
    """What the backend's Python prints."""
    command = [os.environ["MOTIONCLONE_BACKEND_PYTHON"], *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, encoding="utf-8").stdout


@pytest.fixture(scope="module")
def ffmpeg(installed):
    program = backend("-c", "from imageio_ffmpeg import get_ffmpeg_exe; print(get_ffmpeg_exe())").strip()
    return lambda *arguments: subprocess.run([program, "-v", "error", "-y", *map(str, arguments)], check=True)


@pytest.fixture
def clip(scene, tmp_path):
    """clip(name): a path whose folder has a space and letters beyond ASCII, chosen as the reference."""
    folder = tmp_path / "Müllers Clips 動き"
    folder.mkdir()

    def choose(name: str) -> Path:
        scene.motionclone.source, scene.motionclone.clip_file = "FILE", str(folder / name)
        return folder / name

    return choose


def frames(folder: Path, numbers, size: tuple[int, int] = (48, 80)) -> None:
    """Pictures shot_1001.png and so on that show their numbers."""
    folder.mkdir(exist_ok=True)
    for number in numbers:
        write_png(folder / f"shot_{1000 + number}.png", chart(number, *size))


def notes(job: Path) -> list[str]:
    return json.loads((job / "job.json").read_text(encoding="utf-8"))["notes"]


def error(part, call, *arguments) -> str:
    with pytest.raises(part("backend.job_folder.problem").Problem) as caught:
        call(*arguments)
    assert caught.value.hint
    return caught.value.message


def test_a_clip_gives_the_very_frames_that_the_command_line_would_take(part, clip, movie, tmp_path):
    path = clip("clip.mp4")
    shutil.copy(movie, path)
    job = captured(part, tmp_path)
    height, width, _ = read_png(job / "reference/0000.png").shape
    backend("-m", "backend", "frames", path, "--count", 4, "--size", f"{width}x{height}", "--to", tmp_path / "cli")
    for name in ("0000.png", "0001.png", "0002.png", "0003.png"):
        assert (job / "reference" / name).read_bytes() == (tmp_path / "cli" / name).read_bytes()


@pytest.mark.parametrize("fps, frames", [(24, 48), (12, 24), (60, 120)])
def test_a_clip_lasts_as_long_as_its_file(part, clip, scene, movie, fps, frames):
    shutil.copy(movie, clip("clip.mp4"))
    scene.render.fps = fps
    (plan,) = plans(part)
    assert (plan.shot.start, plan.shot.end) == (11, 10 + frames)


def test_the_last_frame_of_a_variable_rate_is_seen(part, clip, ffmpeg, tmp_path):
    """Ten frames in the first second, then one that ends the second."""
    path = clip("vfr.mkv")
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=80x48:rate=10:duration=2", "-vf", "select='lt(n,10)+eq(n,19)'",
           "-fps_mode", "vfr", path)  # fmt: skip
    (plan,) = plans(part)
    assert plan.shot.end - plan.shot.start + 1 == 48
    job = captured(part, tmp_path)
    last = [read_png(job / f"reference/{k:04d}.png").astype(int) for k in (2, 3)]
    assert np.abs(last[0] - last[1]).mean() > 1


def test_a_gap_in_the_numbers_keeps_its_time_and_is_noted(part, clip, tmp_path):
    frames(clip("gaps"), [*range(6), *range(14, 24)])
    (plan,) = plans(part)
    assert plan.shot.end - plan.shot.start + 1 == 24
    (note,) = plan.request.notes
    assert "lacks 8 of 24 frames of shot_####.png: 1006-1013" in note
    assert notes(captured(part, tmp_path)) == [note]


def of_two_sizes(folder: Path) -> None:
    frames(folder, range(4))
    frames(folder, [4], (24, 40))


def of_two_clips(folder: Path) -> None:
    frames(folder, range(4))
    for number in (1, 2):
        write_png(folder / f"shot_v2_{number}.png", chart(number))


@pytest.mark.parametrize(
    "make, sentence",
    [
        (of_two_sizes, "differ in size.*shot_1004.png is 40 x 24"),
        (of_two_clips, r"more than one clip: shot_####.png \(1000-1003\) and shot_v2_####.png \(1-2\)"),
        (Path.mkdir, "contains no pictures"),
        (lambda folder: frames(folder, [3]), "has only one frame"),
    ],
    ids=["mixed sizes", "two sequences", "empty", "one frame"],
)
def test_folders_that_are_no_clip(part, clip, make, sentence):
    make(clip("frames"))
    assert re.search(sentence, error(part, plans, part))


def test_a_broken_picture_is_named(part, clip):
    folder = clip("frames")
    frames(folder, range(12))
    data = (folder / "shot_1005.png").read_bytes()
    (folder / "shot_1005.png").write_bytes(data[: len(data) // 2])
    assert "shot_1005.png is not a complete PNG" in error(part, plans, part)


def test_a_video_that_is_cut_short_is_refused(part, clip, ffmpeg, tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=96x64:rate=24:duration=4", "-g", "12", tmp_path / "whole.mkv")
    data = (tmp_path / "whole.mkv").read_bytes()
    clip("half.mkv").write_bytes(data[: len(data) * 45 // 100])
    assert "half.mkv is truncated or damaged" in error(part, plans, part)


def test_a_sound_file_with_a_cover_is_no_clip(part, clip, ffmpeg, tmp_path):
    write_png(tmp_path / "cover.png", chart(1))
    sound = ("-f", "lavfi", "-i", "sine=duration=1")
    cover = ("-map", "0", "-map", "1", "-c:v", "png", "-disposition:v:0", "attached_pic")
    ffmpeg(*sound, "-i", tmp_path / "cover.png", *cover, clip("song.m4a"))
    assert "song.m4a contains sound and a cover picture, but no video" in error(part, plans, part)


@pytest.mark.parametrize("name, codec", [("a.webp", "libwebp_anim"), ("a.png", "apng"), ("a.gif", "gif")])
def test_animated_pictures_are_clips(part, clip, ffmpeg, tmp_path, name, codec):
    kind = ("-f", "apng") if codec == "apng" else ()
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=80x48:rate=10:duration=1", "-c:v", codec, *kind, clip(name))
    (plan,) = plans(part)
    assert plan.shot.end - plan.shot.start + 1 == 24
    assert len(list((captured(part, tmp_path) / "reference").iterdir())) == 4


def test_what_the_frames_show_is_noted_too(part, clip, ffmpeg, tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=80x48:rate=10:duration=1", "-vf", "format=rgba,colorchannelmixer=aa=0.5",
           "-c:v", "qtrle", clip("clear.mov"))  # fmt: skip
    assert notes(captured(part, tmp_path)) == ["clear.mov is partly transparent; middle gray was put behind it."]


def test_the_panel_does_not_wait_and_asks_once(part, clip, movie, monkeypatch):
    clip_file, calls = part("capture.clip_file"), []
    ask = clip_file.examine
    monkeypatch.setattr(clip_file, "examine", lambda *given: calls.append(given[-1].name) or ask(*given))
    path = clip("clip.mp4")
    shutil.copy(movie, path)
    began = time.monotonic()
    assert clip_file.awaited(bpy.context) and time.monotonic() - began < 0.2
    found = [clip_file.clip_facts(bpy.context) for _ in range(3)]
    assert calls == ["clip.mp4"] and found[0] == found[2] and found[0].frames == 48
    os.utime(path, (1, 1))
    clip_file.clip_facts(bpy.context)
    path.write_bytes(b"no clip")
    for _ in range(2):
        assert "clip.mp4" in error(part, clip_file.clip_facts, bpy.context)
    clip_file.forget()
    assert "clip.mp4" in error(part, clip_file.clip_facts, bpy.context)
    assert calls == 4 * ["clip.mp4"]


def test_a_capture_that_is_stopped_leaves_no_process_and_no_folder(part, clip, movie, tmp_path):
    shutil.copy(movie, clip("clip.mp4"))
    (plan,) = plans(part)
    steps = part("capture.job").capture_steps(plan, tmp_path / "jobs")
    next(steps)
    steps.close()
    assert list((tmp_path / "jobs").iterdir()) == []


def test_without_a_backend_on_this_computer_a_remote_worker_is_no_help(part, clip, movie, monkeypatch, worker):
    shutil.copy(movie, clip("clip.mp4"))
    preferences = bpy.context.preferences.addons["bl_ext.user_default.motionclone"].preferences
    preferences.worker_is_remote = True
    assert plans(part)
    part("capture.clip_file").forget()
    monkeypatch.setenv("MOTIONCLONE_BACKEND_PYTHON", "/nowhere/python")
    assert "are read by the backend on this machine" in error(part, plans, part)


def test_a_clip_from_a_file_needs_no_look_at_the_scene_s_animation(part, clip, movie, tmp_path, monkeypatch):
    """Nothing is rendered, so nothing has to be put back. In a heavy scene that would take longer than the clip."""
    shutil.copy(movie, clip("clip.mp4"))
    monkeypatch.setattr(part("capture.undisturbed"), "_animated", lambda: 1 / 0)
    assert (captured(part, tmp_path) / "reference/0000.png").is_file()
