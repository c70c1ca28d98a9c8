"""The motion score: how well a clip follows the motion of another clip that looks different."""

from __future__ import annotations

import cv2
import numpy as np

from ..job_folder.problem import Problem
from .optical_flow import optical_flow, working_size
from .sizes import fit

MAX_FRAMES = 33  # that are compared, evenly spaced; more add nothing
CELLS = 64 * 64  # of the grid on which velocities are compared
SMOOTHING = 1 / 16  # sigma in frame heights: the outline of another subject need not match exactly
STILL = 0.02  # frame heights per clip: less than this is noise


def motion_score(clip: np.ndarray, reference: np.ndarray) -> float:
    """Returns how well `clip` follows the motion of `reference`, from -1 to 1.

    Both are uint8 RGB [n, H, W, 3] of any length and size. The score is 1 for the same motion, about 0 for unrelated
    motion, and negative for reversed motion. Colors hardly matter.

    Definition: the velocity fields v of the clip and r of the reference come from dense DIS optical flow, in frame
    heights per clip, smoothed over 1/16 of the frame height and over one frame step. The similarity at each position
    and time is s = 2 v.r / (|v|^2 + |r|^2): 1 where direction and speed agree, 0.8 at half or double the speed, 0 for
    perpendicular motion or none, -1 for the opposite motion. The score is the mean of s weighted by |r|, so only
    positions where the reference moves count, the subject as well as the scene behind a moving camera.

    Clips of different lengths are compared at the same fractions of their duration (nearest frames, at most 33). The
    reference is center-cropped to the clip's aspect ratio.

    Raises Problem if a clip has fewer than two frames, or if the reference does not move (by at least 2 % of the frame
    height over the clip): then the score is undefined.
    """
    if min(len(clip), len(reference)) < 2:
        raise Problem("The motion score needs clips of at least two frames.", "Give longer clips.")
    size, count = working_size(*clip.shape[1:3]), min(len(clip), len(reference), MAX_FRAMES)
    expected = motion_field(reference, size, count)
    if np.linalg.norm(expected, axis=-1).max() < STILL:
        raise Problem("The reference does not move, so there is no motion to compare with.", "Give a moving clip.")
    return field_score(motion_field(clip, size, count), expected)


def field_score(field: np.ndarray, expected: np.ndarray, where: np.ndarray | float = 1.0) -> float:
    """Returns the weighted similarity of two velocity fields [F-1, h, w, 2], as `motion_score` defines it.

    where: an additional weight of each position [F-1, h, w].
    """
    speed, expected_speed = (np.linalg.norm(f, axis=-1) for f in (field, expected))
    similarity = 2 * (field * expected).sum(-1) / np.maximum(speed**2 + expected_speed**2, 1e-12)
    weight = expected_speed * where
    return float((weight * similarity).sum() / max(weight.sum(), 1e-12))


def motion_field(frames: np.ndarray, size: tuple[int, int] | None = None, count: int | None = None) -> np.ndarray:
    """Returns smoothed velocities, float32 [count-1, h, w, 2], in frame heights per clip, on about 64 x 64 cells.

    size: (H, W) to which the frames are cropped and scaled; the working size of their own aspect ratio if not given.
    count: the number of frames that are compared, evenly spaced; at most 33 if not given.
    """
    count = count or min(len(frames), MAX_FRAMES)
    picked = np.rint(np.linspace(0, len(frames) - 1, count)).astype(int)
    steps = np.diff(picked / (len(frames) - 1)).astype(np.float32)  # nearest frames are unevenly spaced
    flow = optical_flow(fit(frames[picked], size or working_size(*frames.shape[1:3])))
    return smoothed_field(flow / steps[:, None, None, None])


def smoothed_field(velocities: np.ndarray) -> np.ndarray:
    """Smooths velocities [F-1, H, W, 2] as for `motion_score`, on about 64 x 64 cells: [F-1, h, w, 2]."""
    height, width = working_size(velocities.shape[1], velocities.shape[2], CELLS)
    cells = [cv2.resize(v, (width, height), interpolation=cv2.INTER_AREA) for v in velocities.astype(np.float32)]
    return _smoothed_in_time(np.stack([cv2.GaussianBlur(v, (0, 0), SMOOTHING * height) for v in cells]))


def _smoothed_in_time(field: np.ndarray) -> np.ndarray:
    kernel = np.exp(-0.5 * np.arange(-3, 4) ** 2).astype(np.float32)
    kernel /= kernel.sum()
    padded = np.pad(field, ((3, 3), (0, 0), (0, 0), (0, 0)), mode="edge")
    return sum(weight * padded[k : k + len(field)] for k, weight in enumerate(kernel))  # type: ignore[return-value]
