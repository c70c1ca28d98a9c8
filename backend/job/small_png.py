"""Small pictures as PNG with the standard library alone: a worker shows previews whatever it has installed."""

from __future__ import annotations

import struct
import zlib


def png(rgb: bytes, width: int, height: int) -> bytes:
    """rgb: width * height * 3 bytes, row by row from the top; 8 bits each."""
    if len(rgb) != width * height * 3 or not rgb:
        raise ValueError(f"{len(rgb)} bytes are no picture of {width} x {height}")
    row = width * 3
    lines = b"".join(b"\0" + rgb[i : i + row] for i in range(0, len(rgb), row))  # 0: the row is not filtered
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits of RGB
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, parts))


def _chunk(part: tuple[bytes, bytes]) -> bytes:
    kind, data = part
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
