"""Single frames as PNG or JPG files, on every platform's paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np

from ..errors import JobError
from ..wire.writing import write_atomically

SUFFIXES = (".png", ".jpg", ".jpeg")
BACKDROP = 128  # sRGB grey behind transparent pixels: neither a black nor a white subject is lost on it


def picture_files(folder: Path) -> list[Path]:
    """The folder's PNG and JPG files in natural order (frame2 before frame10), without hidden ones."""
    files = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    return sorted(
        files, key=lambda p: [(int(d), "") if d.isdigit() else (-1, d) for d in re.findall(r"\d+|\D+", p.name)]
    )


def read_picture(path: Path) -> tuple[np.ndarray, bool]:
    """A picture as uint8 RGB [H, W, 3], and whether it was transparent somewhere.

    Grey becomes RGB, 16 bits become 8, transparency is laid over mid-grey. JobError when it cannot be read whole.
    """
    try:
        data = path.read_bytes()
    except PermissionError:
        raise JobError(
            f"{path} may not be read.", "Give yourself permission to read it, or copy it elsewhere."
        ) from None
    png = data[:4] == b"\x89PNG"
    # cv2 fills what is missing with black and says nothing, so look for the end mark ourselves.
    end = data.rfind(b"IEND") if png else data.rfind(b"\xff\xd9")
    mode = cv2.IMREAD_UNCHANGED if png else cv2.IMREAD_COLOR  # JPG: turned as its EXIF says
    image = cv2.imdecode(np.frombuffer(data, np.uint8), mode) if end > len(data) // 2 else None
    if image is None:
        raise JobError(f"{path} is not a whole PNG or JPG picture.", "Render or copy this frame again.")
    return to_rgb(image)


def to_rgb(image: np.ndarray) -> tuple[np.ndarray, bool]:
    """cv2's grey, BGR or BGRA picture of 8 or 16 bits as uint8 RGB over mid-grey, and whether it was transparent."""
    if image.dtype == np.uint16:
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), False
    if image.shape[2] == 4:
        return over_grey(cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA))
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB), False


def over_grey(rgba: np.ndarray) -> tuple[np.ndarray, bool]:
    """Straight-alpha uint8 [H, W, 4] laid over mid-grey -> RGB [H, W, 3], and whether anything showed through."""
    alpha = rgba[..., 3:]
    if alpha.min() == 255:
        return np.ascontiguousarray(rgba[..., :3]), False
    cover = alpha.astype(np.float32) / 255
    return (rgba[..., :3] * cover + BACKDROP * (1 - cover) + 0.5).astype(np.uint8), True


def write_frames(folder: Path, frames: Iterable[np.ndarray]) -> list[Path]:
    """Writes uint8 RGB [n, H, W, 3] as <folder>/0000.png, 0001.png ..., each whole or not at all; returns the files."""
    return write_pictures(folder, dict(enumerate(frames)))


def write_pictures(folder: Path, pictures: Mapping[int, np.ndarray]) -> list[Path]:
    """Writes uint8 RGB [H, W, 3] by number as <folder>/0012.png, each whole or not at all; returns the files."""
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


def not_writable(path: Path, error: OSError) -> JobError:
    """The sentence for a file or folder that cannot be written."""
    reason = error.strerror or str(error)
    return JobError(
        f"{path} cannot be written ({reason}).", "Choose a folder on a disk with room that you may write to."
    )
