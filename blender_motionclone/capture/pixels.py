"""Pictures as arrays: writing them without anyone's colour management, and making them smaller. Without bpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...backend.job_folder.pictures import png
from ...backend.job_folder.writing import write_atomically


def write_png(path: Path, picture: np.ndarray) -> None:
    """picture: uint8 grey [H, W] or RGB [H, W, 3], stored as they are."""
    height, width, *channels = picture.shape
    write_atomically(path, png(picture.tobytes(), width, height, *(channels or [1])))


def to_bytes(shares: np.ndarray) -> np.ndarray:
    """0..1 as 0..255, rounded."""
    return np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)


def scaled(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """float [H, W, C] at size (h, w): each new pixel is the mean of what it covers; lines between if enlarged."""
    rows, columns = (_weights(old, new) for old, new in zip(picture.shape[:2], size))
    return np.einsum("hH,HWC,wW->hwC", rows, picture.astype(np.float32), columns, optimize=True)


def _weights(old: int, new: int) -> np.ndarray:
    """float32 [new, old]: how much each old pixel gives to each new one; rows add up to 1."""
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
