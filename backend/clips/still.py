"""Reads single frames of a clip, in all the formats that a folder of frames may have."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ..job_folder.pictures import SIGNATURE, picture_size
from ..job_folder.problem import Problem
from . import ffmpeg
from .color import to_srgb
from .ffmpeg_process import Check, never_cancelled
from .pictures import over_gray, read_picture, read_picture_bytes, to_rgb

_CHECKED = (".png", ".jpg", ".jpeg")  # read by read_picture, which checks that they are complete
_BY_OPENCV = (".tif", ".tiff", ".webp", ".bmp")
_BY_FFMPEG = (".exr", ".tga", ".dpx", ".jp2")
SUFFIXES = (*_CHECKED, *_BY_OPENCV, *_BY_FFMPEG)
TAIL = 4096  # bytes at the end of a file that must contain its end marker
HEAD = 1 << 20  # bytes that tell whether a PNG is animated, and how large a JPG is


def read_frame(path: Path, check: Check = never_cancelled) -> tuple[np.ndarray, bool]:
    """Reads a picture in sRGB; returns uint8 RGB [H, W, 3] and whether any pixel was transparent.

    Linear light is encoded as sRGB, and transparent pixels are composited over middle gray. check: may raise Cancelled
    at any time. Raises Problem if the picture cannot be read completely.
    """
    suffix = path.suffix.lower()
    if suffix in _CHECKED:
        return read_picture(path)
    if suffix in _BY_OPENCV:
        image = _decoded(read_picture_bytes(path))
    else:
        straight = "unpremultiply=inplace=1," if suffix == ".exr" else ""  # its alpha is premultiplied
        image = _decoded(ffmpeg.picture(path, f"{straight}format=rgba64", check))
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise _not_whole(path)
    if suffix == ".exr":
        return over_gray(to_srgb(cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA), "linear", wide=False))
    return to_rgb(image)


def _decoded(data: bytes) -> np.ndarray | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    except cv2.error:  # an invalid header
        return None


def check_frame(path: Path) -> tuple[int, int] | None:
    """Returns the size (H, W) as stored, None if the first bytes of the file do not tell it.

    Decodes nothing, because a folder may contain thousands of frames. Raises Problem if the end of the file is
    missing.
    """
    if path.suffix.lower() not in _CHECKED:
        return None
    with path.open("rb") as file:
        head = file.read(HEAD)
        file.seek(max(0, path.stat().st_size - TAIL))
        tail = file.read()
    if (b"IEND" if head.startswith(SIGNATURE) else b"\xff\xd9") not in tail:
        read_picture(path)  # there may be more data after the end marker
    size = picture_size(head)
    return (size[1], size[0]) if size else None


def is_single(path: Path) -> bool:
    """Whether the file is a single picture, by its name; a WebP or PNG may be animated."""
    suffix = path.suffix.lower()
    if suffix == ".png":
        with path.open("rb") as file:
            head = file.read(HEAD)
        return b"acTL" not in head.partition(b"IDAT")[0]
    return suffix in SUFFIXES and suffix != ".webp"


def _not_whole(path: Path) -> Problem:
    return Problem("{path} is not a complete, readable picture.", "Save or render this frame again as PNG.").about(
        path=path
    )
