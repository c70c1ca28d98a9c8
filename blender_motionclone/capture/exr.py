"""Reads the exact numbers of a render from an uncompressed OpenEXR file of scanlines. Without bpy."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

MAGIC, MULTIPART = 20000630, 0x1000
TYPES = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}


class _Part:
    """One part's header. channels: (name, type) in the order in which a line holds them."""

    def __init__(self, attributes: dict[str, bytes]):
        if attributes["compression"][0] != 0:
            raise ValueError("the file is compressed")
        left, top, right, bottom = struct.unpack("<4i", attributes["dataWindow"])
        self.top, self.height, self.width = top, bottom - top + 1, right - left + 1
        self.channels = list(_channels(attributes["channels"]))
        self.planes = {name: np.zeros((self.height, self.width), np.float32) for name, _ in self.channels}

    def take_line(self, y: int, data: bytes) -> None:
        start = 0
        for name, kind in self.channels:
            end = start + self.width * kind.itemsize
            self.planes[name][y - self.top] = np.frombuffer(data[start:end], kind)
            start = end


def read_exr(path: Path) -> dict[str, np.ndarray]:
    """float32 [H, W] by channel name, such as "ViewLayer.Depth.Z", of all parts. ValueError when it is no such file."""
    data = path.read_bytes()
    try:
        return _read(data)
    except (struct.error, KeyError, IndexError) as error:
        raise ValueError(f"{path} is not a whole EXR file") from error
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None


def _read(data: bytes) -> dict[str, np.ndarray]:
    magic, version = struct.unpack_from("<II", data)
    if magic != MAGIC:
        raise ValueError("it is no EXR file")
    several = bool(version & MULTIPART)
    parts, place = [], 8
    while data[place] != 0 if several or not parts else False:
        attributes, place = _header(data, place)
        parts.append(_Part(attributes))
    place += several  # an empty header ends them
    lines = sum(part.height for part in parts)
    for offset in struct.unpack_from(f"<{lines}Q", data, place):
        number = 0
        if several:
            (number,) = struct.unpack_from("<i", data, offset)
            offset += 4
        y, size = struct.unpack_from("<ii", data, offset)
        parts[number].take_line(y, data[offset + 8 : offset + 8 + size])
    return {name: plane for part in parts for name, plane in part.planes.items()}


def _header(data: bytes, place: int) -> tuple[dict[str, bytes], int]:
    """The attributes from `place` on, and where they end."""
    attributes = {}
    while data[place] != 0:
        name, place = _text(data, place)
        _, place = _text(data, place)
        (size,) = struct.unpack_from("<i", data, place)
        attributes[name] = data[place + 4 : place + 4 + size]
        place += 4 + size
    return attributes, place + 1


def _channels(data: bytes):
    place = 0
    while data[place] != 0:
        name, place = _text(data, place)
        yield name, TYPES[struct.unpack_from("<i", data, place)[0]]
        place += 16


def _text(data: bytes, place: int) -> tuple[str, int]:
    end = data.index(0, place)
    return data[place:end].decode("utf-8", "replace"), end + 1
