"""Judges the motion of a generated clip independently of the motion score: paths, camera series, and colors over
time."""

from __future__ import annotations

import cv2
import numpy as np

from ..clips.motion_score import field_score, motion_field
from ..clips.optical_flow import optical_flow
from ..demo_training.world import COLORS, Look

SUBJECT, GROUND, SKY = 0, 1, 2
LIGHT = {SUBJECT: (0.35, 1.15), GROUND: (0.3, 1.2), SKY: (0.65, 1.15)}  # the brightness of each part in drawings
SMALLEST = 0.003  # of the frame: a subject smaller than this is lost
FARTHEST = 0.3  # from its color, relative to full scale; pixels farther away belong to no part
FOUND_FRAMES = 10  # of 16: a subject lost more often has no path
PRESENT = 0.03  # of the frame; smaller parts have no reliable mean color


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """The cosine similarity of two arrays of the same shape; 0 when either is zero."""
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum() / norm) if norm > 1e-9 else 0.0


def segment(clip: np.ndarray, look: Look) -> tuple[np.ndarray, np.ndarray]:
    """Assigns each pixel of uint8 [F, H, W, 3] to a part of the look. Returns labels [F, H, W] and distances to the
    part's color.

    A part's color is a line from dark to light through its base color, as in shading.
    """
    pixels = clip.astype(np.float32) / 255
    names = {SUBJECT: look.subject, GROUND: look.ground, SKY: look.sky}
    far = np.stack([_line_distance(pixels, np.array(COLORS[names[p]], np.float32) / 255, *LIGHT[p]) for p in names])
    return far.argmin(0), far.min(0)


def subject_track(clip: np.ndarray, look: Look) -> np.ndarray:
    """The center of the subject's largest connected region [F, 2] in half frame heights, right and down; NaN where
    lost."""
    labels, far = segment(clip, look)
    height, width = clip.shape[1:3]
    track = np.full((len(clip), 2), np.nan)
    for f, mask in enumerate((labels == SUBJECT) & (far < FARTHEST)):
        count, _, stats, centres = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        if count < 2:
            continue
        largest = 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
        if stats[largest, cv2.CC_STAT_AREA] >= SMALLEST * height * width:
            track[f] = (centres[largest] + 0.5 - np.array([width, height]) / 2) * 2 / height
    return track


def path_cosine(clip: np.ndarray, look: Look, path: np.ndarray) -> float:
    """The similarity of the subject's track and the true path [F, 2], both centered; 0 when the subject is mostly
    lost."""
    track = subject_track(clip, look)
    found = ~np.isnan(track[:, 0])
    if found.sum() < FOUND_FRAMES:
        return 0.0
    return cosine(track[found] - track[found].mean(0), path[found] - path[found].mean(0))


def camera_series(clip: np.ndarray) -> np.ndarray:
    """[F-1, 4]: shift right, shift down, zoom and roll of the picture per frame step, in half frame heights.

    It is the motion that most of the flow agrees on (Tukey-weighted least squares), so a small subject does not count.
    """
    flow = optical_flow(clip)[:, 4::8, 4::8] * 2
    h, w = flow.shape[1:3]
    ys, xs = np.mgrid[0:h, 0:w]
    x, y = ((xs - (w - 1) / 2) * 2 / h).ravel(), ((ys - (h - 1) / 2) * 2 / h).ravel()
    one, zero = np.ones_like(x), np.zeros_like(x)
    # u = tx + zoom x - roll y; v = ty + zoom y + roll x
    model = np.concatenate([np.stack([one, zero, x, -y], -1), np.stack([zero, one, y, x], -1)])
    return np.stack([_robust_fit(model, f.reshape(-1, 2).T.ravel()) for f in flow])


def camera_cosine(clip: np.ndarray, reference: np.ndarray) -> float:
    """The similarity of two clips' camera series: the cosine over all steps of shift, zoom and roll."""
    return cosine(camera_series(clip), camera_series(reference))


def color_drift(clip: np.ndarray, look: Look) -> float:
    """How much colors change over a clip, 0..1, without changes that motion explains.

    For each part of the look (subject, ground, sky): the absolute difference of its mean color between the first and
    the last quarter of the frames, averaged over channels and over the parts that fill 3 % of both quarters. Parts may
    move, grow and shrink without counting. If no part is in both quarters, the mean color of the whole frame is used.
    """
    labels, _ = segment(clip, look)
    pixels, quarter = clip.astype(np.float32) / 255, max(1, len(clip) // 4)
    changes = []
    for part in (SUBJECT, GROUND, SKY):
        masks = [labels[:quarter] == part, labels[-quarter:] == part]
        if min(m.mean() for m in masks) >= PRESENT:
            first, last = (p[m].mean(0) for p, m in zip((pixels[:quarter], pixels[-quarter:]), masks))
            changes.append(np.abs(last - first).mean())
    if not changes:
        changes = [np.abs(pixels[-quarter:].mean((0, 1, 2)) - pixels[:quarter].mean((0, 1, 2))).mean()]
    return float(np.mean(changes))


def control_matrix(clips: list[np.ndarray], references: list[np.ndarray]) -> np.ndarray:
    """The motion score [clips, references] of every clip with every reference. All have the same length."""
    fields, wanted = [motion_field(c) for c in clips], [motion_field(r) for r in references]
    return np.array([[field_score(field, want) for want in wanted] for field in fields])


def reference_ranks(matrix: np.ndarray) -> np.ndarray:
    """[n]: the rank of each clip's own reference (the diagonal) among all references, 1 when it is the nearest."""
    return 1 + (matrix > np.diag(matrix)[:, None]).sum(1)


def _line_distance(pixels: np.ndarray, color: np.ndarray, low: float, high: float) -> np.ndarray:
    """Distance of pixels [..., 3] to the colors low..high times `color`."""
    share = np.clip(pixels @ color / (color @ color), low, high)
    return np.linalg.norm(pixels - share[..., None] * color, axis=-1)


def _robust_fit(model: np.ndarray, target: np.ndarray, rounds: int = 6) -> np.ndarray:
    """Robust least squares with Tukey's biweight, which ignores outliers."""
    weight = np.ones(len(target))
    found = np.zeros(model.shape[1])
    for _ in range(rounds):
        found = np.linalg.solve(
            (model * weight[:, None]).T @ model + 1e-9 * np.eye(model.shape[1]), (model * weight[:, None]).T @ target
        )
        off = np.abs(target - model @ found)
        reach = 4.7 * max(1.48 * float(np.median(off)), 1e-4)
        weight = np.clip(1 - (off / reach) ** 2, 0, None) ** 2
    return found
