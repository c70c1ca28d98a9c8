"""Dense optical flow between the frames of a clip: OpenCV's DIS (Kroeger et al., arXiv:1603.03590)."""

from __future__ import annotations

import math

import cv2
import numpy as np

WORKING_AREA = 256 * 256  # pixels: smaller clips are enlarged, so that DIS's 8-pixel patches cover small details


def working_size(height: int, width: int, area: int = WORKING_AREA) -> tuple[int, int]:
    """Returns the size (h, w) of about `area` pixels with the aspect ratio of height x width."""
    scale = math.sqrt(area / (height * width))
    return max(16, round(height * scale)), max(16, round(width * scale))


def to_gray(frames: np.ndarray, size: tuple[int, int] | None = None) -> np.ndarray:
    """Returns the luma, uint8 [F, h, w], of RGB frames [F, H, W, 3], resized to `size` (h, w) if given."""
    lumas = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    if size is None or size == frames.shape[1:3]:
        return np.stack(lumas)
    how = cv2.INTER_AREA if size[0] < frames.shape[1] else cv2.INTER_CUBIC
    return np.stack([cv2.resize(luma, size[::-1], interpolation=how) for luma in lumas])


def dense_flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the flow from `first` to `second`, uint8 [h, w]: float32 [h, w, 2], pixels right and down."""
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(
        first, second, np.zeros((*first.shape, 2), np.float32)
    )


def _smooth_flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Like `dense_flow`, with three times the smoothness: better for the motion score, worse for interpolation.

    On 40 drawn clips and their recolored renders the motion score was 0.84, and 0.83 with dense_flow in twice the time.
    Interpolated frames were off by 1.05 gray levels, and by 0.90 with dense_flow.
    """
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    dis.setVariationalRefinementAlpha(60.0)
    dis.setVariationalRefinementIterations(10)
    return dis.calc(first, second, np.zeros((*first.shape, 2), np.float32))


def optical_flow(frames: np.ndarray) -> np.ndarray:
    """Returns the flow from each frame to the next: float32 [F-1, h, w, 2], right and down, in frame heights.

    frames: uint8 RGB [F, H, W, 3]. h x w is the working size: about 256 x 256 pixels with the clip's aspect ratio.
    """
    lumas = _evened(to_gray(frames, working_size(*frames.shape[1:3])))
    return np.stack([_smooth_flow(a, b) for a, b in zip(lumas, lumas[1:])]) / lumas.shape[1]


def _evened(lumas: np.ndarray) -> np.ndarray:
    """Returns the logarithm of the luma, scaled to the full range, with one mapping for all frames.

    Light multiplies color, so in the logarithm a pattern keeps its contrast when it is recolored, and gray blockouts
    get as much contrast as colored clips.
    """
    level = np.log(lumas.astype(np.float32) + 12)
    low, high = float(level.min()), float(level.max())
    return ((level - low) * (255 / max(high - low, 0.1))).astype(np.uint8)
