"""Clips brought to a size without stretching."""

from __future__ import annotations

import cv2
import numpy as np


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
