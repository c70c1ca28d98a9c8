"""Distances as the pictures that depth controls read. Without bpy."""

from __future__ import annotations

import numpy as np

SKY = 1e9  # from so far on nothing was hit


def depth_shades(distances: np.ndarray) -> np.ndarray:
    """uint8 [F, H, W] of distances from the camera's plane [F, H, W]: inverse distance, near light and far dark.

    One scale for the whole clip: its nearest place is 255, its farthest (the sky where there is some) 0.
    """
    nearness = np.where(distances < SKY, 1 / np.maximum(distances, 1e-6), 0.0)
    low, high = nearness.min(), nearness.max()
    return np.rint((nearness - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)
