"""Writes PNG files and reads the size of PNG and JPEG files without a library. Standard library only.

The worker can then write previews whatever is installed, and the add-on can check a picture before Blender loads it.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import IO

MAX_PIXELS = 8192 * 8192  # of a picture that is read: half a gigabyte with 16 bits and transparency
SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_SEGMENTS = 1000  # of a JPEG before its size
_COLOR_TYPES = {1: 0, 3: 2}  # PNG's codes for gray and RGB, by number of channels
_SIZED = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}  # JPEG frame headers
_EMPTY = {0x01, *range(0xD0, 0xD9)}  # JPEG markers without content


def png(pixels: bytes, width: int, height: int, channels: int = 3) -> bytes:
    """Encodes 8-bit pixels as PNG. `pixels` are width * height * channels bytes, gray (1 channel) or RGB (3), row by
    row from the top. Raises ValueError when their number is wrong."""
    row = width * channels
    if len(pixels) != row * height or not pixels:
        raise ValueError(f"{len(pixels)} bytes are no picture of {width} x {height}")
    lines = b"".join(b"\0" + pixels[i : i + row] for i in range(0, len(pixels), row))  # 0: the row is not filtered
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOR_TYPES[channels], 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return SIGNATURE + b"".join(map(_chunk, parts))


def picture_size(picture: bytes | IO[bytes]) -> tuple[int, int] | None:
    """Reads (width, height) in pixels from the header of a PNG or JPEG. Returns None for other or truncated files.
    Raises OSError."""
    file = BytesIO(picture) if isinstance(picture, bytes) else picture
    head = file.read(24)
    if head.startswith(SIGNATURE):
        whole = len(head) == 24 and head[12:16] == b"IHDR"
        return (int.from_bytes(head[16:20]), int.from_bytes(head[20:24])) if whole else None
    file.seek(2)
    return _jpg_size(file) if head.startswith(b"\xff\xd8\xff") else None


def _jpg_size(file: IO[bytes]) -> tuple[int, int] | None:
    """Walks from segment to segment, because an embedded thumbnail has a header of its own."""
    for _ in range(MAX_SEGMENTS):
        start = file.read(2)
        while start == b"\xff\xff":  # padding
            start = start[1:] + file.read(1)
        if len(start) < 2 or start[0] != 0xFF:
            return None
        if start[1] in _EMPTY:
            continue
        length = file.read(2)
        if start[1] in _SIZED:
            size = file.read(5)
            return (int.from_bytes(size[3:5]), int.from_bytes(size[1:3])) if len(size) == 5 else None
        file.seek(max(2, int.from_bytes(length)) - 2, 1)
    return None


def _chunk(part: tuple[bytes, bytes]) -> bytes:
    kind, data = part
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
