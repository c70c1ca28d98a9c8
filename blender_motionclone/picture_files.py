"""Reads the sizes of picture files, and small PNG previews, fast enough for a timer. Without bpy."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from ..backend.job_folder import pictures
from ..backend.job_folder.pictures import SIGNATURE
from ..backend.job_folder.reading import check_regular, open_regular, read_bytes
from ..backend.job_folder.writing import is_link

CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # by color type; neither the backend nor the add-on writes palettes
MAX_SIDE = 4096
MAX_FILE, MAX_PIXELS = 1_000_000, 4_000_000  # limits of a preview: bytes of the file, bytes of its pixels
MAX_BYTES = 64_000_000  # of a picture in a job


class PngError(ValueError):
    """The file is not a complete PNG of a supported kind."""


def png_size(path: Path) -> tuple[int, int]:
    """(height, width) from the file's header. PngError, OSError."""
    with open_regular(path) as file:
        size = pictures.picture_size(file) if file.peek(8).startswith(SIGNATURE) else None
    if size is None:
        raise PngError(f"{path} is no PNG file.")
    return size[1], size[0]


def read_png(path: Path) -> np.ndarray:
    """uint8 [H, W, 3]. OSError. PngError for anything but 8 bits per channel without a palette, interlacing, or filters
    that have to be undone pixel by pixel."""
    data = read_bytes(path, MAX_FILE)
    try:
        (height, width, bits, kind, _, _, interlaced), packed = _parts(data)
        channels = CHANNELS[kind]
        row = width * channels
        fits = 0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE and height * (row + 1) <= MAX_PIXELS
        if bits != 8 or interlaced or not fits:
            raise PngError(f"{path} is of a form that is not read here.")
        raw = zlib.decompressobj().decompress(b"".join(packed), height * (row + 1))
        lines = np.frombuffer(raw, np.uint8).reshape(height, row + 1)
    except (KeyError, IndexError, struct.error, zlib.error, ValueError) as error:
        raise error if isinstance(error, PngError) else PngError(f"{path} is no whole PNG file ({error}).") from None
    pixels = _unfiltered(lines, channels).reshape(height, width, channels)
    return np.repeat(pixels[:, :, :1], 3, axis=2) if channels < 3 else pixels[:, :, :3]


def _parts(data: bytes) -> tuple[tuple[int, ...], list[bytes]]:
    """Returns (height, width, bits, color type, compression, filter, interlaced) and the compressed rows."""
    if not data.startswith(SIGNATURE):
        raise PngError("The file is no PNG.")
    header, packed, position = b"", [], len(SIGNATURE)
    while position + 8 <= len(data):
        (length,), name = struct.unpack(">I", data[position : position + 4]), data[position + 4 : position + 8]
        body = data[position + 8 : position + 8 + length]
        if name == b"IHDR":
            header = body
        elif name == b"IDAT":
            packed.append(body)
        position += 12 + length
    width, height, *rest = struct.unpack(">IIBBBBB", header)
    return (height, width, *rest), packed


def _unfiltered(lines: np.ndarray, channels: int) -> np.ndarray:
    """Undoes each row's filter. lines: uint8 [H, 1 + W * channels], each starting with its filter's number."""
    rows = np.zeros((len(lines) + 1, lines.shape[1] - 1), np.uint8)  # the first row is above the picture
    for number, line in enumerate(lines):
        rows[number + 1] = _row(int(line[0]), line[1:].reshape(-1, channels), rows[number].reshape(-1, channels))
    return rows[1:]


def _row(kind: int, line: np.ndarray, above: np.ndarray) -> np.ndarray:
    if kind == 0:
        return line.ravel()
    if kind == 1:
        return np.cumsum(line, axis=0, dtype=np.uint8).ravel()
    if kind == 2:
        return (line + above).ravel()
    raise PngError("The file's rows are packed in a way that is slow to read.")


def picture_size(path: Path) -> tuple[int, int] | None:
    """(height, width) of a PNG or JPEG; None for another kind of file. OSError."""
    with open_regular(path) as file:
        size = pictures.picture_size(file)
    return size and (size[1], size[0])


def reads_quickly(path: Path) -> bool:
    """Whether Blender can read the picture quickly, because it may be in a stranger's folder."""
    try:
        check_regular(path, MAX_BYTES)
        size = picture_size(path)
    except OSError:
        return False
    return size is not None and all(0 < side <= MAX_SIDE for side in size) and not is_link(path)
