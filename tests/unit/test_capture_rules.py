"""The bpy-free rules of a capture: size, pixel shape, moments."""

from __future__ import annotations

import pytest

from backend.job_folder.clip_size import clip_size
from blender_motionclone.capture.frame_times import frame_times
from tests.extension import part

pixel_aspect = part("capture.pixels").pixel_aspect

SHOTS = [
    (1920, 1080),
    (1080, 1920),
    (512, 512),
    (2048, 858),
    (4096, 1716),
    (100, 3000),
    (3000, 100),
    (640, 480),
    (7, 5),
]
MODELS = [(4096, 16), (512 * 512, 64), (512 * 512, 8), (1024 * 1024, 64), (576 * 320, 32)]


@pytest.mark.parametrize("width, height", SHOTS)
@pytest.mark.parametrize("area, multiple", MODELS)
def test_a_size_is_one_the_model_takes(width, height, area, multiple):
    h, w = clip_size(width / height, area, multiple)
    assert h % multiple == w % multiple == 0 and h > 0 and w > 0
    assert h * w <= 1.2 * area
    if 0.5 < width / height < 2:
        assert 0.7 * area <= h * w
        assert 0.85 < w / h / (width / height) < 1.18


@pytest.mark.parametrize("arguments", [(0, 4096, 16), (1.0, 0, 16), (1.0, 4096, 0), (-1.0, 4096, 16)])
def test_a_size_of_nothing_is_refused(arguments):
    with pytest.raises(ValueError, match="above 0"):
        clip_size(*arguments)


@pytest.mark.parametrize("aspect, size", [(16 / 9, (48, 80)), (9 / 16, (80, 48)), (1.0, (64, 64)), (3.0, (48, 96))])
def test_pixels_take_up_what_the_size_misses_of_the_aspect(aspect, size):
    x, y = pixel_aspect(aspect, size)
    assert min(x, y) == 1
    assert size[1] * x / (size[0] * y) == pytest.approx(aspect)


@pytest.mark.parametrize(
    "start, end, count", [(1, 16, 16), (11, 58, 16), (1, 5, 16), (-10, 300, 24), (1, 250, 2), (0, 1, 7)]
)
def test_moments_lie_evenly_and_include_both_ends(start, end, count):
    times = frame_times(start, end, count)
    assert len(times) == count and times[0] == (start, 0.0) and times[-1] == (end, 0.0)
    for k, (frame, subframe) in enumerate(times):
        assert 0 <= subframe < 1 and isinstance(frame, int)
        assert frame + subframe == pytest.approx(start + k * (end - start) / (count - 1), abs=1e-9)


def test_a_shot_as_long_as_the_clip_has_no_sub_frames():
    assert frame_times(5, 20, 16) == [(frame, 0.0) for frame in range(5, 21)]


def test_one_moment_is_no_motion():
    with pytest.raises(ValueError, match="at least two"):
        frame_times(1, 10, 1)
