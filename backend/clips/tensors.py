"""Converts frames to tensors and back. Imports torch late, because clips are read and written without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..job_folder.problem import Problem

if TYPE_CHECKING:
    import torch


def to_pixels(frames: np.ndarray) -> torch.Tensor:
    """Converts frames, uint8 [F, H, W, 3], to float32 [F, 3, H, W] in -1..1."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_frames(pixels: torch.Tensor) -> np.ndarray:
    """Converts pixels [F, 3, H, W], clipped to -1..1, to frames, uint8 [F, H, W, 3].

    Raises Problem for NaN or infinity, which would become black frames.
    """
    import torch

    if not torch.isfinite(pixels).all():
        raise Problem(
            "The model produced invalid numbers (NaN), so there is no picture to show.",
            "Lower motion_weight or cfg_scale, or set precision to float32.",
        )
    values = (pixels.detach().float().clamp(-1, 1) + 1) * 127.5
    return values.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
