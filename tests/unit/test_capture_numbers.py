"""The bpy-free parts of the passes: numbers from EXR files, depth as shades, stretched time, smaller pictures."""

from __future__ import annotations

import struct
from fractions import Fraction

import numpy as np
import pytest

from tests.extension import part

pixels, frame_times = part("capture.pixels"), part("capture.frame_times")


def attribute(name: str, kind: str, value: bytes) -> bytes:
    return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value


def write_exr(path, planes: dict[str, np.ndarray], compression: int = 0) -> None:
    """One part of float32 scanlines, written after the format's own description."""
    height, width = next(iter(planes.values())).shape
    channels = b"".join(n.encode() + b"\0" + struct.pack("<iiii", 2, 0, 1, 1) for n in sorted(planes)) + b"\0"
    head = struct.pack("<II", 20000630, 2)
    head += attribute("channels", "chlist", channels) + attribute("compression", "compression", bytes([compression]))
    head += attribute("dataWindow", "box2i", struct.pack("<4i", 0, 0, width - 1, height - 1)) + b"\0"
    lines = [b"".join(planes[n][y].astype("<f4").tobytes() for n in sorted(planes)) for y in range(height)]
    lines = [struct.pack("<ii", y, len(line)) + line for y, line in enumerate(lines)]
    start = len(head) + 8 * height
    offsets = [start + sum(map(len, lines[:y])) for y in range(height)]
    path.write_bytes(head + struct.pack(f"<{height}Q", *offsets) + b"".join(lines))


def test_channels_come_back_exactly(tmp_path):
    planes = {name: np.random.default_rng(1).normal(size=(5, 7)).astype(np.float32) for name in ("A.Z", "B é.X")}
    write_exr(tmp_path / "x.exr", planes)
    found = pixels.read_exr(tmp_path / "x.exr")
    assert found.keys() == planes.keys() and all((found[n] == planes[n]).all() for n in planes)


@pytest.mark.parametrize("spoil", [lambda d: b"", lambda d: d[:60], lambda d: b"PNG!" + d[4:], lambda d: d[:-9]])
def test_a_file_that_is_not_whole_is_refused(tmp_path, spoil):
    path = tmp_path / "x.exr"
    write_exr(path, {"A": np.ones((4, 4), np.float32)})
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match=r"x\.exr"):
        pixels.read_exr(path)


def test_compression_is_refused(tmp_path):
    write_exr(tmp_path / "x.exr", {"A": np.ones((4, 4), np.float32)}, compression=3)
    with pytest.raises(ValueError, match="compressed"):
        pixels.read_exr(tmp_path / "x.exr")


def test_depth_has_one_scale_for_the_clip():
    shades = list(pixels.depth_shades(np.array([[[2.0, 4.0]], [[8.0, 1e10]]])))
    assert [picture.tolist() for picture in shades] == [[[255, 128]], [[64, 0]]]
    assert np.max(list(pixels.depth_shades(np.full((2, 1, 1), 3.0)))) == 0  # no nearer and no farther


@pytest.mark.parametrize("start, end, count", [(11, 58, 16), (-20, 40, 16), (1, 16, 16), (0, 900, 2), (5, 9, 16)])
def test_a_render_frame_is_a_step_of_the_clip(start, end, count):
    found = frame_times.stretched_time(start, end, count)
    shown = [(frame + part_) * found.old / found.new for frame, part_ in found.times]
    assert shown == pytest.approx([start + k * (end - start) / (count - 1) for k in range(count)])
    assert all(0 <= part_ < 1 for _, part_ in found.times)


@pytest.mark.parametrize("scene", [Fraction(4, 3), Fraction(1, 2), Fraction(90, 7)])
def test_a_scene_that_is_stretched_itself_shows_the_same_moments(scene):
    """Its frame x shows time x * scene, which the render frames show too."""
    found = frame_times.stretched_time(11, 58, 16, scene)
    shown = [(frame + part_) * found.old / found.new for frame, part_ in found.times]
    assert shown == pytest.approx([(11 + k * 47 / 15) * float(scene) for k in range(16)])


def test_a_shot_that_blender_cannot_stretch():
    assert frame_times.stretched_time(11, 58, 128, Fraction(1, 900)) is None
    assert frame_times.stretched_time(1, 1000, 2) is None


def test_smaller_pictures_are_means_and_even_ones_stay():
    picture = np.arange(48, dtype=np.float32).reshape(4, 4, 3)
    assert pixels.scaled(picture, (2, 2))[0, 0] == pytest.approx(picture[:2, :2].mean((0, 1)))
    assert pixels.scaled(picture, (4, 4)) == pytest.approx(picture)
    assert pixels.scaled(np.full((3, 5, 3), 0.25), (7, 2)) == pytest.approx(np.full((7, 2, 3), 0.25))
