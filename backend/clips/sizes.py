"""Frame sizes a model can take, and clips brought to them without stretching."""

from __future__ import annotations

import math

import cv2
import numpy as np


def fit_size(height: int, width: int, area: int, multiple: int) -> tuple[int, int]:
    """(H, W): multiples of `multiple`, about `area` pixels, nearest to the shape of height x width.

    Shape and area are weighed by ratio, the shape twice as much, and the area is exceeded by a fifth at most, for
    memory's sake: an area of 4096 with multiple 16 gives a 16:9 shot (48, 80).
    """
    aspect = height / width
    ideal = math.sqrt(area * aspect), math.sqrt(area / aspect)
    rows, columns = (range(1, math.ceil(2 * side / multiple) + 1) for side in ideal)
    allowed = [(h, w) for h in rows for w in columns if h * w * multiple**2 <= 1.2 * area] or [(1, 1)]

    def misfit(size: tuple[int, int]) -> float:
        h, w = size
        return 2 * abs(math.log(h / w / aspect)) + abs(math.log(h * w * multiple**2 / area))

    h, w = min(allowed, key=misfit)
    return h * multiple, w * multiple


def fit(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Frames [n, h, w, 3] scaled alike in both directions until they fill size (H, W), and centre-cropped to it."""
    (height, width), (h, w) = size, frames.shape[1:3]
    if (h, w) == size:
        return frames
    scale = max(height / h, width / w)
    scaled = max(height, round(h * scale)), max(width, round(w * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    top, left = (scaled[0] - height) // 2, (scaled[1] - width) // 2
    resized = (cv2.resize(frame, scaled[::-1], interpolation=how) for frame in frames)
    return np.stack([frame[top : top + height, left : left + width] for frame in resized])
