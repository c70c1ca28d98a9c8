"""Is an MP4 whole? Without bpy: Blender opens one that was cut short and shows its last frames black or frozen."""

from __future__ import annotations

import struct
from pathlib import Path

from ...backend.job_folder.reading import open_regular

MOST_BOXES = 10_000  # a movie has a handful


def is_whole_mp4(path: Path) -> bool:
    """True when the file is a row of complete boxes, index and pictures among them. OSError: it cannot be read."""
    with open_regular(path) as file:
        size, place, kinds = file.seek(0, 2), 0, set()
        for _ in range(MOST_BOXES):
            if place >= size:
                break
            file.seek(place)
            length, kind = _box(file.read(16), size - place)
            if length < 8 or place + length > size:
                return False
            kinds.add(kind)
            place += length
    return place >= size and {b"moov", b"mdat"} <= kinds


def _box(head: bytes, rest: int) -> tuple[int, bytes]:
    """(length, kind) of the box that starts so; (0, b"") where none does. Length 0 is written for "to the end"."""
    if len(head) < 8:
        return 0, b""
    length, kind = struct.unpack(">I4s", head[:8])
    if length == 1 and len(head) == 16:
        length = struct.unpack(">Q", head[8:])[0]
    return length or rest, kind
