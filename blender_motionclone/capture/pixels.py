"""Pictures as arrays: pixel aspect, writing, resizing, depth pictures, and exact values from EXR files. Without bpy."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ...backend.job_folder.pictures import png
from ...backend.job_folder.writing import write_atomically

SKY = 1e9  # at this distance and beyond, nothing was hit
MAGIC, MULTIPART = 20000630, 0x1000


def write_png(path: Path, picture: np.ndarray) -> None:
    """picture: uint8 gray [H, W] or RGB [H, W, 3], stored without conversion."""
    height, width, *channels = picture.shape
    write_atomically(path, png(picture.tobytes(), width, height, *(channels or [1])))


def to_bytes(shares: np.ndarray) -> np.ndarray:
    """Scales 0..1 to 0..255 and rounds."""
    return np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)


def scaled(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes float [H, W, C] to size (h, w): averages when it shrinks, interpolates linearly when it enlarges."""
    rows, columns = (_weights(old, new) for old, new in zip(picture.shape[:2], size))
    return np.einsum("hH,HWC,wW->hwC", rows, picture.astype(np.float32), columns, optimize=True)


def _weights(old: int, new: int) -> np.ndarray:
    """float32 [new, old]: how much each old pixel contributes to each new one; rows sum to 1."""
    step = old / new
    middles = (np.arange(new) + 0.5) * step
    reach = max(step, 1) / 2
    if step >= 1:
        low, high = (middles - reach)[:, None], (middles + reach)[:, None]
        weights = np.minimum(high, np.arange(old) + 1) - np.maximum(low, np.arange(old))
    else:
        weights = 1 - np.abs(np.clip(middles, 0.5, old - 0.5)[:, None] - (np.arange(old) + 0.5))
    weights = np.clip(weights, 0, None)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def depth_shades(distances: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """uint8 [H, W] of each picture of distances from the camera plane [H, W]: inverse distance, near is bright and far
    is dark.

    The whole clip has one scale: its nearest point is 255, its farthest (the sky, if any) 0. One picture is made at a
    time, because a long clip takes seconds and gigabytes.
    """
    ends = np.array([(near.min(), near.max()) for near in map(_nearness, distances)])
    low, high = ends[:, 0].min(), ends[:, 1].max()
    for near in map(_nearness, distances):
        yield np.rint((near - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)


def _nearness(distances: np.ndarray) -> np.ndarray:
    return np.where(distances < SKY, 1 / np.maximum(distances, 1e-6), 0.0)


def pixel_aspect(aspect: float, size: tuple[int, int]) -> tuple[float, float]:
    """The pixel aspect (x, y), the smaller one 1, with which a picture of `size` (H, W) shows exactly `aspect`.

    So the reference shows exactly the camera's frame, and its result, stretched over the frame, matches the shot pixel
    by pixel.
    """
    height, width = size
    stretch = aspect * height / width
    return (stretch, 1.0) if stretch >= 1 else (1.0, 1 / stretch)


TYPES = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}


class _Part:
    """One part's header. channels: (name, type) in the order in which a scanline stores them."""

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
    """Reads an uncompressed OpenEXR file of scanlines. Returns float32 [H, W] by channel name, such as
    "ViewLayer.Depth.Z", of all parts. ValueError for any other file."""
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
    parts, position = [], 8
    while data[position] != 0 if several or not parts else False:
        attributes, position = _header(data, position)
        parts.append(_Part(attributes))
    position += several  # an empty header ends the list
    lines = sum(part.height for part in parts)
    for offset in struct.unpack_from(f"<{lines}Q", data, position):
        number = 0
        if several:
            (number,) = struct.unpack_from("<i", data, offset)
            offset += 4
        y, size = struct.unpack_from("<ii", data, offset)
        parts[number].take_line(y, data[offset + 8 : offset + 8 + size])
    return {name: plane for part in parts for name, plane in part.planes.items()}


def _header(data: bytes, position: int) -> tuple[dict[str, bytes], int]:
    """The attributes that start at `position`, and where they end."""
    attributes = {}
    while data[position] != 0:
        name, position = _text(data, position)
        _, position = _text(data, position)
        (size,) = struct.unpack_from("<i", data, position)
        attributes[name] = data[position + 4 : position + 4 + size]
        position += 4 + size
    return attributes, position + 1


def _channels(data: bytes):
    position = 0
    while data[position] != 0:
        name, position = _text(data, position)
        yield name, TYPES[struct.unpack_from("<i", data, position)[0]]
        position += 16


def _text(data: bytes, position: int) -> tuple[str, int]:
    end = data.index(0, position)
    return data[position:end].decode("utf-8", "replace"), end + 1
