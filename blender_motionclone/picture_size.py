"""How large a picture is, from its header: known before a program unpacks it into the memory. Without bpy."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO

from ..backend.job_folder.reading import check_regular, open_regular
from ..backend.job_folder.writing import is_link
from .png import SIGNATURE

FRAME_MARKERS = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
MOST_SEGMENTS = 1000
MOST_BYTES, MOST_SIDE = 64_000_000, 4096  # of a picture that a job has made


def picture_size(path: Path) -> tuple[int, int] | None:
    """(height, width) of a PNG or JPEG; None for another kind of file. OSError."""
    with open_regular(path) as file:
        head = file.read(24)
        if head.startswith(SIGNATURE) and len(head) == 24:
            width, height = struct.unpack(">II", head[16:])
            return height, width
        file.seek(2)
        return _jpeg_size(file) if head.startswith(b"\xff\xd8") else None


def reads_quickly(path: Path) -> bool:
    """Whether it is a picture that Blender reads in a moment: it may lie in a folder from somebody else."""
    try:
        check_regular(path, MOST_BYTES)
        size = picture_size(path)
    except OSError:
        return False
    return size is not None and all(0 < side <= MOST_SIDE for side in size) and not is_link(path)


def _jpeg_size(file: IO[bytes]) -> tuple[int, int] | None:
    """From the first frame's header, after the segments with previews and notes."""
    for _ in range(MOST_SEGMENTS):
        start = file.read(9)
        if len(start) < 9 or start[0] != 0xFF:
            return None
        length, _, height, width = struct.unpack(">HBHH", start[2:])
        if start[1] in FRAME_MARKERS:
            return height, width
        file.seek(length - 7, 1)
    return None
