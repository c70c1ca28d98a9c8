"""Reads and writes single frames as PNG or JPG files. Works with every path that the system allows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np

from ..job_folder.pictures import MAX_PIXELS, SIGNATURE, picture_size
from ..job_folder.problem import Problem
from ..job_folder.reading import UnfitFile, read_bytes
from ..job_folder.writing import write_atomically

SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_BYTES = 8 * MAX_PIXELS + 2**20  # of the file of a picture
ROWS = 256
BACKDROP = 128  # sRGB gray behind transparent pixels: black and white subjects stay visible


def picture_files(folder: Path) -> list[Path]:
    """Returns the PNG and JPG files in a folder in natural order (frame2 before frame10), without hidden files."""
    files = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    return sorted(
        files, key=lambda p: [(int(d), "") if d.isdigit() else (-1, d) for d in re.findall(r"\d+|\D+", p.name)]
    )


def read_picture(path: Path) -> tuple[np.ndarray, bool]:
    """Reads a picture; returns uint8 RGB [H, W, 3] and whether any pixel was transparent.

    Gray becomes RGB, 16 bits become 8, and transparent pixels are composited over middle gray. Raises Problem if the
    picture cannot be read completely.
    """
    data = read_picture_bytes(path)
    png = data.startswith(SIGNATURE)
    # OpenCV silently fills missing data with black, so the end marker is checked here.
    end = data.rfind(b"IEND") if png else data.rfind(b"\xff\xd9")
    mode = cv2.IMREAD_UNCHANGED if png else cv2.IMREAD_COLOR  # JPG: rotated as its EXIF data says
    complete = end > len(data) // 2 and _fits(path, data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), mode) if complete else None
    except cv2.error:  # an invalid header
        image = None
    if image is None:
        raise Problem("{path} is not a complete PNG or JPG picture.", "Render or copy this frame again.").about(
            path=path
        )
    return to_rgb(image)


def read_picture_bytes(path: Path) -> bytes:
    """Reads the file of a picture. Raises Problem if it is no regular file, too large, or not permitted."""
    try:
        return read_bytes(path, MAX_BYTES)
    except UnfitFile as error:
        raise Problem("{reason}.", "Put a PNG or JPG picture there.").about(reason=error) from None
    except PermissionError:
        raise Problem(
            "There is no permission to read {path}.", "Change its permissions, or copy it to another folder."
        ).about(path=path) from None


def _fits(path: Path, data: bytes) -> bool:
    """Whether the data has the header of a PNG or JPG.

    Raises Problem if the picture is too large: a file of a few megabytes can fill the memory.
    """
    size = picture_size(data)
    if size and size[0] * size[1] > MAX_PIXELS:
        raise too_large(path, *size)
    return size is not None


def to_rgb(image: np.ndarray) -> tuple[np.ndarray, bool]:
    """Converts OpenCV's gray, BGR or BGRA picture of 8 or 16 bits; returns the same as `read_picture`."""
    if image.dtype == np.uint16:
        image = _by_rows(lambda rows: (rows.astype(np.uint32) + 128) // 257, image, image.shape)
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), False
    if image.shape[2] == 4:
        return over_gray(cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA))
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB), False


def over_gray(rgba: np.ndarray) -> tuple[np.ndarray, bool]:
    """Composites uint8 RGBA [H, W, 4] with straight alpha over middle gray; returns the same as `read_picture`."""
    alpha = rgba[..., 3:]
    if alpha.min() == 255:
        return np.ascontiguousarray(rgba[..., :3]), False

    def composited(rows: np.ndarray) -> np.ndarray:
        cover = rows[..., 3:].astype(np.float32) / 255
        return rows[..., :3] * cover + BACKDROP * (1 - cover) + 0.5

    return _by_rows(composited, rgba, (*rgba.shape[:2], 3)), True


def too_large(path: Path, width: int, height: int) -> Problem:
    """Returns the error about a picture, or the frames of a video, that would fill the memory."""
    limit = f"pictures up to {MAX_PIXELS:,} pixels (8192 x 8192) are read"
    return Problem("{path} is {width} x {height}; {limit}.", "Make it smaller.").about(
        path=path, width=width, height=height, limit=limit
    )


def _by_rows(change: Callable[[np.ndarray], np.ndarray], picture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Applies `change` to a few rows at a time and returns uint8: it needs several times the memory of its input."""
    changed = np.empty(shape, np.uint8)
    for first in range(0, len(picture), ROWS):
        changed[first : first + ROWS] = change(picture[first : first + ROWS]).astype(np.uint8)
    return changed


def write_frames(folder: Path, frames: Iterable[np.ndarray]) -> list[Path]:
    """Writes frames, uint8 RGB [n, H, W, 3], as <folder>/0000.png, 0001.png and so on; returns their paths.

    Each file is written atomically. Raises Problem if the folder cannot be written.
    """
    return write_pictures(folder, dict(enumerate(frames)))


def write_pictures(folder: Path, pictures: Mapping[int, np.ndarray]) -> list[Path]:
    """Like `write_frames`, for pictures [H, W, 3] by frame number."""
    folder, files = Path(folder), []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for k, frame in pictures.items():
            _, data = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
            write_atomically(folder / f"{k:04d}.png", data.tobytes())
            files.append(folder / f"{k:04d}.png")
    except OSError as error:
        raise not_writable(folder, error) from None
    return files


def not_writable(path: Path, error: OSError) -> Problem:
    """Returns the error about a file or folder that cannot be written."""
    reason = error.strerror or str(error)
    return Problem(
        "{path} cannot be written ({reason}).",
        "Free disk space, or choose a folder that you have permission to write to.",
    ).about(path=path, reason=reason)
