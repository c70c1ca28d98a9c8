"""Reading clips: video files of every unusual kind, and folders of frames."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from backend.clips import read_clip, reading, write_frames, write_video
from backend.clips.pictures import picture_files, read_picture
from backend.job_folder.problem import Problem


def ffmpeg(*arguments) -> None:
    subprocess.run([get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)], check=True)


def sweep(count: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Returns a light bar that moves right over a dark picture with a red top left corner."""
    frames = np.full((count, height, width, 3), 40, np.uint8)
    frames[:, : height // 4, : width // 4] = (200, 30, 30)
    for k, frame in enumerate(frames):
        x = round((width - 8) * k / max(count - 1, 1))
        frame[height // 2 :, x : x + 8] = 220
    return frames


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "sweep.mp4", sweep(30), 24)


def problem(path: Path, **how) -> str:
    """Returns the error for a clip. It always names the file and has a hint."""
    with pytest.raises(Problem) as caught:
        read_clip(path, **how)
    assert Path(path).name in caught.value.message and caught.value.hint
    return caught.value.message


def close(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and float(np.abs(a.astype(int) - b).mean()) < 3


def test_a_video_is_read_whole(video):
    clip = read_clip(video)
    assert close(clip.frames, sweep(30)) and clip.fps == pytest.approx(24) and clip.total == 30 and clip.notes == ()


def test_wanted_frames_lie_evenly_with_first_and_last(video):
    clip = read_clip(video, frames=5)
    assert close(clip.frames, sweep(30)[[0, 7, 14, 22, 29]]) and clip.total == 30


def test_fewer_frames_than_needed_are_in_betweened_and_said(video, tmp_path):
    short = write_video(tmp_path / "short.mp4", sweep(6), 12)
    clip = read_clip(short, frames=16)
    assert len(clip.frames) == 16 and clip.total == 6
    assert "short.mp4 has 6 frames, but 16 are needed" in clip.notes[0]
    assert close(clip.frames[[0, -1]], sweep(6)[[0, -1]])


def test_variable_frame_rate_is_sampled_by_time(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=2", "-vf", "select='lt(n,10)+eq(n,19)'",
           "-fps_mode", "vfr", tmp_path / "vfr.mkv")  # fmt: skip
    whole, three = read_clip(tmp_path / "vfr.mkv"), read_clip(tmp_path / "vfr.mkv", frames=3)
    assert whole.total == 11
    assert close(three.frames, whole.frames[[0, 9, 10]])  # the middle of the time, not of the list


def test_a_phone_video_stands_upright(video, tmp_path):
    ffmpeg("-display_rotation", "90", "-i", video, "-c", "copy", tmp_path / "phone.mp4")
    assert close(read_clip(tmp_path / "phone.mp4").frames, np.rot90(sweep(30), axes=(1, 2)))


def test_pixels_become_square(video, tmp_path):
    ffmpeg("-i", video, "-vf", "setsar=2/1", tmp_path / "wide.mp4")
    assert read_clip(tmp_path / "wide.mp4", frames=2).frames.shape == (2, 48, 128, 3)


@pytest.mark.parametrize("name, codec", [("a.mov", ("-c:v", "qtrle")), ("a.webm", ("-pix_fmt", "yuva420p"))])
def test_transparent_video_lies_over_grey_and_says_so(tmp_path, name, codec):
    ffmpeg("-f", "lavfi", "-i", "color=red@0.0:size=64x48:rate=10:duration=1,format=rgba", *codec, tmp_path / name)
    clip = read_clip(tmp_path / name)
    assert np.abs(clip.frames.astype(int) - 128).max() <= 3
    assert "transparent" in clip.notes[0]


def test_grey_video_becomes_rgb(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=1", "-pix_fmt", "gray", "-c:v", "ffv1",
           tmp_path / "grey.mkv")  # fmt: skip
    frames = read_clip(tmp_path / "grey.mkv").frames
    assert frames.shape == (10, 48, 64, 3) and np.ptp(frames.astype(int), axis=3).max() <= 1 and frames.std() > 20


def test_4k_is_read_smaller_and_says_so(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "color=blue:size=3840x2160:rate=5:duration=0.4", "-preset", "ultrafast",
           tmp_path / "big.mp4")  # fmt: skip
    clip = read_clip(tmp_path / "big.mp4", frames=2)
    assert clip.frames.shape == (2, 1152, 2048, 3) and "big.mp4 is 3840 x 2160" in clip.notes[0]


def test_8x8_is_read_as_it_is(tmp_path):
    frames = read_clip(write_video(tmp_path / "tiny.mp4", sweep(4, 8, 8), 10)).frames
    assert frames.shape == (4, 8, 8, 3)


def test_a_path_with_umlauts_spaces_and_signs(tmp_path):
    folder = tmp_path / "Müllers Szene %04d ' 動き"
    write_video(folder / "-clip:1 é.mp4" if os.name != "nt" else folder / "-clip é.mp4", sweep(4), 10)
    assert len(read_clip(next(folder.iterdir())).frames) == 4
    write_frames(folder / "frames ü", sweep(4))
    assert np.array_equal(read_clip(folder / "frames ü").frames, sweep(4))


def test_a_clip_too_large_for_memory_is_refused_before_it_is_read(video, monkeypatch):
    monkeypatch.setattr(reading, "MAX_BYTES", 100_000)
    assert "too many for the memory" in problem(video)
    assert len(read_clip(video, frames=10).frames) == 10


def test_a_missing_file(tmp_path):
    assert "There is no file or folder" in problem(tmp_path / "nothing.mp4")


def test_an_empty_file(tmp_path):
    (tmp_path / "empty.mp4").touch()
    assert "is an empty file" in problem(tmp_path / "empty.mp4")


def test_not_a_video(tmp_path):
    (tmp_path / "letter.mp4").write_text("Dear all,\n" * 99)
    assert "is not a video" in problem(tmp_path / "letter.mp4")


def test_sound_only(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", tmp_path / "song.wav")
    assert "is not a video" in problem(tmp_path / "song.wav")


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.avi"])
def test_a_truncated_video(tmp_path, name):
    whole = tmp_path / f"whole{Path(name).suffix}"
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=128x96:rate=10:duration=3", whole)
    data = whole.read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) * 6 // 10])
    assert "truncated or damaged" in problem(tmp_path / name)


def test_one_frame(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "color=red:size=64x48:rate=10:duration=0.1", tmp_path / "one.mp4")
    assert "has only one frame" in problem(tmp_path / "one.mp4")
    write_frames(tmp_path / "lonely", sweep(1))
    assert "has only one frame" in problem(tmp_path / "lonely")
    assert "is a single picture" in problem(tmp_path / "lonely" / "0000.png")


def test_a_file_that_may_not_be_read(video, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(reading, "open_regular", refuse)  # root, who runs tests in containers, may read everything
    assert "no permission to read" in problem(video)


def test_an_empty_folder(tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "notes.txt").write_text("none yet")
    assert "contains no pictures" in problem(tmp_path / "frames")


def test_frames_of_different_sizes(tmp_path):
    write_frames(tmp_path / "mixed", sweep(3))
    cv2.imwrite(str(tmp_path / "mixed" / "0002.png"), np.zeros((20, 30, 3), np.uint8))
    assert "0000.png is 64 x 48, 0002.png is 30 x 20" in problem(tmp_path / "mixed")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_truncated_picture(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    for k in range(2):
        cv2.imwrite(str(tmp_path / f"{k}.{suffix}"), noise)
    data = (tmp_path / f"1.{suffix}").read_bytes()
    (tmp_path / f"1.{suffix}").write_bytes(data[: len(data) * 7 // 10])
    with pytest.raises(Problem, match=f"1.{suffix} is not a complete PNG or JPG picture"):
        read_clip(tmp_path)


def test_frames_come_in_natural_order(tmp_path):
    for name in ("shot10.png", "shot2.png", "shot1.JPG", "._shot3.png", "readme.txt"):
        (tmp_path / name).touch()
    assert [p.name for p in picture_files(tmp_path)] == ["shot1.JPG", "shot2.png", "shot10.png"]


def test_pictures_of_16_bits_grey_and_transparent(tmp_path):
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((4, 4, 3), 129 * 257, np.uint16))
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((4, 4), 77, np.uint8))
    cv2.imwrite(str(tmp_path / "clear.png"), np.dstack([np.full((4, 4, 3), 255, np.uint8), np.zeros((4, 4), np.uint8)]))
    seen = {path.stem: read_picture(path) for path in tmp_path.iterdir()}
    assert {name: (picture.shape, int(picture.max()), clear) for name, (picture, clear) in seen.items()} == {
        "deep": ((4, 4, 3), 129, False),
        "grey": ((4, 4, 3), 77, False),
        "clear": ((4, 4, 3), 128, True),
    }
