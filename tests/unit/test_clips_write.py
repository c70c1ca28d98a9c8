"""Writing clips, resizing, tensors and frame interpolation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.clips import fit, in_between, read_clip, to_frames, to_pixels, video, write_frames, write_video
from backend.demo_training.moves import random_look, random_motion
from backend.demo_training.world import draw_clip
from backend.job_folder import writing
from backend.job_folder.clip_size import clip_size
from backend.job_folder.problem import Problem


def drawn(seed: int, kind: str = "subject") -> np.ndarray:
    rng = np.random.default_rng(seed)
    return draw_clip(random_look(rng, blockout=False), random_motion(rng, kind))


@pytest.mark.parametrize("fps", [12.5, 24, 23.976, 30000 / 1001])
def test_a_written_video_has_exactly_these_frames_and_this_rate(tmp_path, fps):
    clip = read_clip(write_video(tmp_path / "Ergebnis ü.mp4", drawn(0), fps))
    assert clip.total == 16 and clip.fps == pytest.approx(fps, rel=1e-4)
    assert np.abs(clip.frames.astype(int) - drawn(0)).mean() < 4  # half the colour resolution: 64 x 64 is the worst
    assert [p.name for p in tmp_path.iterdir()] == ["Ergebnis ü.mp4"]


def test_odd_sizes_repeat_their_edge(tmp_path):
    frames = drawn(0)[:3, :63, :61]
    back = read_clip(write_video(tmp_path / "odd.mp4", frames, 10)).frames
    assert back.shape == (3, 64, 62, 3)
    assert np.abs(back[:, :63, :61].astype(int) - frames).mean() < 4 and back[:, 63].mean() > 20


def test_a_single_frame_can_be_written(tmp_path):
    path = write_video(tmp_path / "still.mp4", drawn(0)[:1], 24)
    assert len(video.probe(path).times) == 1


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    for write in (lambda p: write_video(p / "x.mp4", drawn(0)[:2], 24), lambda p: write_frames(p, drawn(0)[:2])):
        with pytest.raises(Problem, match="cannot be written"):
            write(tmp_path / "file")


def test_a_read_only_folder(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(writing, "_new_part", refuse)  # root, who runs tests in containers, may write everywhere
    with pytest.raises(Problem, match=r"x\.mp4 cannot be written \(Permission denied\)"):
        write_video(tmp_path / "x.mp4", drawn(0)[:2], 24)


def test_a_failed_encoding_leaves_the_old_result(tmp_path, monkeypatch):
    write_video(tmp_path / "x.mp4", drawn(0)[:2], 24)
    monkeypatch.setattr("backend.clips.writing.CRF", "nonsense")
    with pytest.raises(Problem, match="could not be encoded"):
        write_video(tmp_path / "x.mp4", drawn(0), 24)
    assert read_clip(tmp_path / "x.mp4").total == 2 and len(list(tmp_path.iterdir())) == 1


def test_frames_come_back_as_written(tmp_path):
    files = write_frames(tmp_path / "ü", drawn(0))
    assert [f.name for f in files[:2]] == ["0000.png", "0001.png"]
    assert np.array_equal(read_clip(tmp_path / "ü").frames, drawn(0))


@pytest.mark.parametrize(
    "shape, area, multiple, size",
    [
        ((1080, 1920), 4096, 16, (48, 80)),
        ((1920, 1080), 4096, 16, (80, 48)),
        ((8, 8), 4096, 16, (64, 64)),
        ((1080, 1920), 512 * 512, 64, (384, 704)),
        ((1, 400), 4096, 16, (16, 304)),
    ],
)
def test_fitting_sizes(shape, area, multiple, size):
    assert clip_size(shape[1] / shape[0], area, multiple) == size


@pytest.mark.parametrize("height, width", [(100, 1000), (1000, 100), (555, 777), (2160, 4096), (2, 3)])
def test_fitting_sizes_stay_near_the_area(height, width):
    h, w = clip_size(width / height, 512 * 512, 64)
    assert h % 64 == w % 64 == 0 and 0.5 < h * w / 512**2 <= 1.2


@pytest.mark.parametrize("shape", [(8, 8), (64, 64), (270, 480), (333, 101)])
def test_fit_crops_and_never_stretches(shape):
    ys, xs = np.mgrid[0 : shape[0], 0 : shape[1]]
    radius = min(shape) * 0.4
    disc = np.hypot(ys - (shape[0] - 1) / 2, xs - (shape[1] - 1) / 2) < radius
    out = fit(np.repeat((disc * 255).astype(np.uint8)[None, ..., None], 3, 3), (48, 80))
    assert out.shape == (1, 48, 80, 3)
    tall, wide = (out[0, :, 40, 0] > 128).sum(), (out[0, 24, :, 0] > 128).sum()
    expected = 2 * radius * max(48 / shape[0], 80 / shape[1])
    assert tall == pytest.approx(min(48, expected), abs=2 + 20 / min(shape))
    assert wide == pytest.approx(min(80, expected), abs=2 + 20 / min(shape))


def test_pixels_and_frames_are_exact_inverses():
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, 3)
    pixels = to_pixels(ramp)
    assert pixels.shape == (1, 3, 16, 16) and pixels.min() == -1 and pixels.max() == 1
    assert np.array_equal(to_frames(pixels), ramp)
    assert np.array_equal(to_frames(pixels * 3)[0, 0, :2, 0], [0, 0])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_black_frames_from_nan(value):
    pixels = torch.zeros(2, 3, 8, 8)
    pixels[1, 2, 3, 4] = value
    with pytest.raises(Problem, match="invalid numbers"):
        to_frames(pixels)


def test_in_betweens_keep_the_models_own_frames():
    frames = drawn(3)
    out = in_between(frames[:4], 10)
    assert len(out) == 10 and np.array_equal(out[::3], frames[:4])
    assert np.array_equal(in_between(frames, 16), frames)
    assert np.array_equal(in_between(frames, 6), frames[::3])
    assert np.array_equal(in_between(frames, 1), frames[:1])


def test_in_betweens_move_things_instead_of_fading_them():
    for seed in range(3):
        frames = drawn(seed)[4:11]
        true = frames[1::2].astype(float)
        made = in_between(frames[::2], 7)[1::2]
        faded = (frames[0:-1:2].astype(float) + frames[2::2]) / 2
        assert np.abs(made - true).mean() < 0.6 * np.abs(faded - true).mean()


def test_in_betweens_of_a_still_and_of_any_size():
    still = np.repeat(drawn(0)[:1, :40, :30], 2, 0)
    assert np.abs(in_between(still, 7).astype(int) - still[0]).max() <= 1
    assert in_between(np.zeros((2, 8, 8, 3), np.uint8), 4).shape == (4, 8, 8, 3)
