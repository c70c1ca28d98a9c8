"""Resizes clips without stretching them."""

from __future__ import annotations

import math

import cv2
import numpy as np

MAX_SCALED = 100  # times the area of the requested size


def fit(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scales frames [n, h, w, 3] until they fill `size` (H, W), keeping their aspect ratio, and center-crops them."""
    (height, width), (h, w) = size, frames.shape[1:3]
    if (h, w) == size:
        return frames
    scale = max(height / h, width / w)
    scaled = max(height, round(h * scale)), max(width, round(w * scale))
    if scaled[0] * scaled[1] > MAX_SCALED * height * width:  # a very narrow clip would fill the memory
        return fit(_middle(frames, math.ceil(height / scale), math.ceil(width / scale)), size)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    top, left = (scaled[0] - height) // 2, (scaled[1] - width) // 2
    resized = (cv2.resize(frame, scaled[::-1], interpolation=how) for frame in frames)
    return np.stack([frame[top : top + height, left : left + width] for frame in resized])


def _middle(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    top, left = (frames.shape[1] - height) // 2, (frames.shape[2] - width) // 2
    return frames[:, top : top + height, left : left + width]
