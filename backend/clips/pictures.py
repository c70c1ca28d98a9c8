"""Single frames as PNG or JPG files, on every platform's paths."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np

from ..errors import JobError
from ..job_folder.pictures import MOST_PIXELS, SIGNATURE, picture_size
from ..job_folder.reading import UnfitFile, read_bytes
from ..job_folder.writing import write_atomically

SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_BYTES = 8 * MOST_PIXELS + 2**20  # of a picture's file
ROWS = 256
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
    data = read_picture_bytes(path)
    png = data.startswith(SIGNATURE)
    # cv2 fills what is missing with black and says nothing, so look for the end mark ourselves.
    end = data.rfind(b"IEND") if png else data.rfind(b"\xff\xd9")
    mode = cv2.IMREAD_UNCHANGED if png else cv2.IMREAD_COLOR  # JPG: turned as its EXIF says
    whole = end > len(data) // 2 and _fits(path, data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), mode) if whole else None
    except cv2.error:  # a header that cannot be
        image = None
    if image is None:
        raise JobError(f"{path} is not a whole PNG or JPG picture.", "Render or copy this frame again.")
    return to_rgb(image)


def read_picture_bytes(path: Path) -> bytes:
    """A picture's file. JobError when it is no file, too large, or may not be read."""
    try:
        return read_bytes(path, MAX_BYTES)
    except UnfitFile as error:
        raise JobError(f"{error}.", "Put a PNG or JPG picture there.") from None
    except PermissionError:
        raise JobError(
            f"{path} may not be read.", "Give yourself permission to read it, or copy it elsewhere."
        ) from None


def _fits(path: Path, data: bytes) -> bool:
    """Whether its header is one of a PNG or JPG. JobError when so large a picture is not read: a file of a few
    megabytes can fill the memory."""
    size = picture_size(data)
    if size and size[0] * size[1] > MOST_PIXELS:
        raise too_large(path, *size)
    return size is not None


def to_rgb(image: np.ndarray) -> tuple[np.ndarray, bool]:
    """cv2's grey, BGR or BGRA picture of 8 or 16 bits as uint8 RGB over mid-grey, and whether it was transparent."""
    if image.dtype == np.uint16:
        image = _by_rows(lambda rows: (rows.astype(np.uint32) + 128) // 257, image, image.shape)
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), False
    if image.shape[2] == 4:
        return over_gray(cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA))
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB), False


def over_gray(rgba: np.ndarray) -> tuple[np.ndarray, bool]:
    """Straight-alpha uint8 [H, W, 4] laid over mid-grey -> RGB [H, W, 3], and whether anything showed through."""
    alpha = rgba[..., 3:]
    if alpha.min() == 255:
        return np.ascontiguousarray(rgba[..., :3]), False

    def laid(rows: np.ndarray) -> np.ndarray:
        cover = rows[..., 3:].astype(np.float32) / 255
        return rows[..., :3] * cover + BACKDROP * (1 - cover) + 0.5

    return _by_rows(laid, rgba, (*rgba.shape[:2], 3)), True


def too_large(path: Path, width: int, height: int) -> JobError:
    """The sentence for a picture, or a video's frames, that would fill the memory."""
    limit = f"pictures up to {MOST_PIXELS:,} pixels (8192 x 8192) are read"
    return JobError(f"{path} is {width} x {height}; {limit}.", "Make it smaller.")


def _by_rows(change: Callable[[np.ndarray], np.ndarray], picture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What `change` makes of the picture, as uint8, a few rows at a time: it needs several times the memory."""
    changed = np.empty(shape, np.uint8)
    for first in range(0, len(picture), ROWS):
        changed[first : first + ROWS] = change(picture[first : first + ROWS]).astype(np.uint8)
    return changed


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
        f"{path} cannot be written ({reason}).", "Make room on the disk, or choose a folder that you may write to."
    )
