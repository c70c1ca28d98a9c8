"""PNG files of previews, written and read; unsuitable pictures are refused before they are decoded."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from backend.job_folder.pictures import png
from tests.extension import part

reader = part("picture_files")
PICTURE = np.random.default_rng(3).integers(0, 256, (9, 14, 3), np.uint8)


def written(path, rows: list[bytes], width: int, kind: int = 2, bits: int = 8, interlaced: int = 0):
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, len(rows), bits, kind, 0, 0, interlaced)
    packed = zlib.compress(b"".join(rows))
    half = len(packed) // 2  # in two chunks, as other programs write them
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", packed[:half]), chunk(b"IDAT", packed[half:]), chunk(b"IEND", b"")]
    path.write_bytes(reader.SIGNATURE + b"".join(parts))
    return path


def test_a_preview_comes_back_as_it_was(tmp_path):
    path = tmp_path / "Vorschau 猫.png"
    path.write_bytes(png(PICTURE.tobytes(), 14, 9))
    assert np.array_equal(reader.read_png(path), PICTURE)
    assert reader.png_size(path) == (9, 14)


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_rows_filtered_as_a_whole(tmp_path, kind):
    left = np.concatenate([np.zeros((9, 1, 3), np.uint8), PICTURE[:, :-1]], 1)
    above = np.concatenate([np.zeros((1, 14, 3), np.uint8), PICTURE[:-1]], 0)
    filtered = PICTURE - {0: 0 * PICTURE, 1: left, 2: above}[kind]
    path = written(tmp_path / "a.png", [bytes([kind]) + row.tobytes() for row in filtered], 14)
    assert np.array_equal(reader.read_png(path), PICTURE)


def test_grey_and_transparent_pictures_become_colours(tmp_path):
    grey = written(tmp_path / "grey.png", [b"\0\x05\x09", b"\0\x01\x02"], 2, kind=0)
    assert reader.read_png(grey).tolist() == [[[5] * 3, [9] * 3], [[1] * 3, [2] * 3]]
    clear = written(tmp_path / "clear.png", [b"\0\x01\x02\x03\x80"], 1, kind=6)
    assert reader.read_png(clear).tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-40],
        lambda data: data[:20],
        lambda data: b"",
        lambda data: b"GIF89a" + data,
        lambda data: data[:60] + b"\xff" * 20 + data[80:],
    ],
)
def test_a_damaged_file_is_refused(tmp_path, damage):
    path = tmp_path / "a.png"
    path.write_bytes(damage(png(PICTURE.tobytes(), 14, 9)))
    with pytest.raises(reader.PngError):
        reader.read_png(path)


@pytest.mark.parametrize("form", [{"bits": 16}, {"kind": 3}, {"interlaced": 1}])
def test_other_forms_are_refused(tmp_path, form):
    path = written(tmp_path / "a.png", [b"\0" + bytes(42)] * 9, 14, **form)
    with pytest.raises(reader.PngError):
        reader.read_png(path)


def test_filters_that_are_slow_to_undo_are_refused(tmp_path):
    path = written(tmp_path / "a.png", [b"\4" + bytes(42)] * 9, 14)
    with pytest.raises(reader.PngError, match="slow"):
        reader.read_png(path)


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path):
    path = tmp_path / "a.png"
    data = bytearray(png(PICTURE.tobytes(), 14, 9))
    data[16:24] = struct.pack(">II", 2**20, 2**20)
    path.write_bytes(data)
    with pytest.raises(reader.PngError):
        reader.read_png(path)


def test_a_missing_file_is_the_system_s_error(tmp_path):
    with pytest.raises(OSError):
        reader.read_png(tmp_path / "none.png")
