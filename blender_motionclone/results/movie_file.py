"""Is an MP4 whole? Without bpy: Blender opens one that was cut short and shows its last frames black or frozen."""

from __future__ import annotations

import struct
from pathlib import Path


def is_whole_mp4(path: Path) -> bool:
    """True when the file is a row of complete boxes, index and pictures among them. OSError as `open`."""
    size, place, kinds = path.stat().st_size, 0, set()
    with path.open("rb") as file:
        while place < size:
            file.seek(place)
            length, kind = _box(file.read(16), size - place)
            if length < 8 or place + length > size:
                return False
            kinds.add(kind)
            place += length
    return {b"moov", b"mdat"} <= kinds


def _box(head: bytes, rest: int) -> tuple[int, bytes]:
    """(length, kind) of the box that starts so; (0, b"") where none does. Length 0 is written for "to the end"."""
    if len(head) < 8:
        return 0, b""
    length, kind = struct.unpack(">I4s", head[:8])
    if length == 1 and len(head) == 16:
        length = struct.unpack(">Q", head[8:])[0]
    return length or rest, kind
