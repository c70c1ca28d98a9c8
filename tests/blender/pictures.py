"""PNG files as arrays of bytes, without colour management and without anything to install."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np


def write_png(path: Path, picture: np.ndarray) -> None:
    """picture: uint8 [H, W, 3]."""
    height, width, _ = picture.shape
    rows = b"".join(b"\0" + row.tobytes() for row in picture)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows))]
    chunks = b"".join(_chunk(kind, data) for kind, data in [*parts, (b"IEND", b"")])
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def read_png(path: Path) -> np.ndarray:
    """uint8 [H, W, 3], the top row first, as stored."""
    import bpy

    image = bpy.data.images.load(str(path), check_existing=False)
    try:
        image.colorspace_settings.name = "Non-Color"
        width, height = image.size
        values = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(values)
    finally:
        bpy.data.images.remove(image)
    return np.rint(values.reshape(height, width, 4)[::-1, :, :3] * 255).astype(np.uint8)


def chart(index: int, height: int = 48, width: int = 80) -> np.ndarray:
    """uint8 [H, W, 3]: a grey that tells the frame (4 levels a frame) above eight colours that a view would regrade."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height // 2] = 4 * index
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (128, 128, 128), (200, 120, 60), (20, 40, 90)]
    for k, colour in enumerate([*colours, (0, 0, 0)]):
        picture[height // 2 :, k * width // 8 : (k + 1) * width // 8] = colour
    return picture
