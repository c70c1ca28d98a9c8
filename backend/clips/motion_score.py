"""How well a clip follows another clip's motion though it looks different."""

from __future__ import annotations

import cv2
import numpy as np

from ..errors import JobError
from .optical_flow import optical_flow, working_size
from .sizes import fit

MAX_FRAMES = 33  # compared evenly over the clips; more say nothing new
CELLS = 64 * 64  # of the grid on which flows are compared
SPREAD = 1 / 16  # smoothing in frame heights: another subject's outline need not fit to the pixel
STILL = 0.02  # frame heights a clip: less than this is noise


def motion_score(clip: np.ndarray, reference: np.ndarray) -> float:
    """How well `clip` follows the motion of `reference`; both uint8 RGB [n, H, W, 3], of any lengths and sizes.

    Definition. Both clips' velocity fields v (clip) and r (reference) come from dense DIS optical flow, in frame
    heights a clip, smoothed over a sixteenth of the frame height and over one frame step. Each place and moment gets
    the similarity s = 2 v.r / (|v|^2 + |r|^2), which is 1 only where direction and magnitude agree, 0.8 at half or
    double the speed, 0 across or where the clip stands, -1 for the opposite. The score is the mean of s weighted by
    |r|: only where the reference moves counts, the subject as much as the scene behind a moving camera.

    So the score lies in [-1, 1]: 1 for the clip itself, about 0 for unrelated motion, negative for reversed motion.
    Colours hardly matter. Clips of different lengths are compared at the same shares of their time (nearest frames,
    33 at most); the reference is centre-cropped to the clip's shape. JobError when either has fewer than two frames
    or the reference stands still (no place moves by 2 % of the frame height over the clip): nothing can be said then.
    """
    if min(len(clip), len(reference)) < 2:
        raise JobError("The motion score needs clips of at least two frames.", "Give longer clips.")
    size, count = working_size(*clip.shape[1:3]), min(len(clip), len(reference), MAX_FRAMES)
    wanted = motion_field(reference, size, count)
    if np.linalg.norm(wanted, axis=-1).max() < STILL:
        raise JobError(
            "The reference does not move, so how well it is followed cannot be measured.", "Give a moving clip."
        )
    return field_score(motion_field(clip, size, count), wanted)


def field_score(field: np.ndarray, wanted: np.ndarray, where: np.ndarray | float = 1.0) -> float:
    """The weighted similarity of two velocity fields [F-1, h, w, 2], as motion_score defines it.

    where [F-1, h, w]: how much each place counts besides.
    """
    speed, wanted_speed = (np.linalg.norm(f, axis=-1) for f in (field, wanted))
    similarity = 2 * (field * wanted).sum(-1) / np.maximum(speed**2 + wanted_speed**2, 1e-12)
    weight = wanted_speed * where
    return float((weight * similarity).sum() / max(weight.sum(), 1e-12))


def motion_field(frames: np.ndarray, size: tuple[int, int] | None = None, count: int | None = None) -> np.ndarray:
    """Smoothed velocities float32 [count-1, h, w, 2] in frame heights a clip, at even times, on about 64 x 64 cells.

    size: (H, W) that the frames are cropped and scaled to; by default the working size of their own shape.
    count: how many frames are compared, 33 at most by default.
    """
    count = count or min(len(frames), MAX_FRAMES)
    picked = np.rint(np.linspace(0, len(frames) - 1, count)).astype(int)
    steps = np.diff(picked / (len(frames) - 1)).astype(np.float32)  # nearest frames lie unevenly: speeds make up for it
    flow = optical_flow(fit(frames[picked], size or working_size(*frames.shape[1:3])))
    return smoothed_field(flow / steps[:, None, None, None])


def smoothed_field(velocities: np.ndarray) -> np.ndarray:
    """Velocities [F-1, H, W, 2] on about 64 x 64 cells [F-1, h, w, 2], smoothed as motion_score compares them."""
    height, width = working_size(velocities.shape[1], velocities.shape[2], CELLS)
    cells = [cv2.resize(v, (width, height), interpolation=cv2.INTER_AREA) for v in velocities.astype(np.float32)]
    return _smoothed_in_time(np.stack([cv2.GaussianBlur(v, (0, 0), SPREAD * height) for v in cells]))


def _smoothed_in_time(field: np.ndarray) -> np.ndarray:
    kernel = np.exp(-0.5 * np.arange(-3, 4) ** 2).astype(np.float32)
    kernel /= kernel.sum()
    padded = np.pad(field, ((3, 3), (0, 0), (0, 0), (0, 0)), mode="edge")
    return sum(weight * padded[k : k + len(field)] for k, weight in enumerate(kernel))  # type: ignore[return-value]
