"""What a generated clip made of a motion, judged without the motion score: paths, camera series, colours over time."""

from __future__ import annotations

import cv2
import numpy as np

from ..clips.motion_score import field_score, motion_field
from ..clips.optical_flow import optical_flow
from ..demo_training.world import COLOURS, Look

SUBJECT, GROUND, SKY = 0, 1, 2
LIGHT = {SUBJECT: (0.35, 1.15), GROUND: (0.3, 1.2), SKY: (0.65, 1.15)}  # brightness that drawing gives each part
SMALLEST = 0.003  # of the frame: a subject smaller than this is lost
FARTHEST = 0.3  # from its colour, in units of full scale: what is farther belongs to no part
FOUND_FRAMES = 10  # of 16: a subject lost more often has no path
PRESENT = 0.03  # of the frame: smaller parts have no dependable mean colour


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Of two arrays of one shape taken as vectors; 0 when either is nothing."""
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum() / norm) if norm > 1e-9 else 0.0


def segment(clip: np.ndarray, look: Look) -> tuple[np.ndarray, np.ndarray]:
    """Which part of the look each pixel of uint8 [F, H, W, 3] shows: labels [F, H, W], and distances to its colour.

    A part's colour is a line from dark to light through its base colour, as shading draws it.
    """
    pixels = clip.astype(np.float32) / 255
    names = {SUBJECT: look.subject, GROUND: look.ground, SKY: look.sky}
    far = np.stack([_line_distance(pixels, np.array(COLOURS[names[p]], np.float32) / 255, *LIGHT[p]) for p in names])
    return far.argmin(0), far.min(0)


def subject_track(clip: np.ndarray, look: Look) -> np.ndarray:
    """Centre of the subject's largest connected piece [F, 2] in half frame heights, right and down; NaN where lost."""
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
    """How the subject's track runs like the true path [F, 2], both about their middles; 0 when it is mostly lost."""
    track = subject_track(clip, look)
    found = ~np.isnan(track[:, 0])
    if found.sum() < FOUND_FRAMES:
        return 0.0
    return cosine(track[found] - track[found].mean(0), path[found] - path[found].mean(0))


def camera_series(clip: np.ndarray) -> np.ndarray:
    """[F-1, 4]: shift right, shift down, zoom and roll of the whole picture each frame step, in half frame heights.

    The motion that most of the flow agrees on (Tukey-weighted least squares), so a small subject does not count.
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
    """How alike two clips' camera series are: cosine over all steps of shift, zoom and roll."""
    return cosine(camera_series(clip), camera_series(reference))


def colour_drift(clip: np.ndarray, look: Look) -> float:
    """How far colours wander over a clip, 0..1: what motion cannot explain of the change from first to last quarter.

    Per part of the look (subject, ground, sky), the mean colour of its pixels in the first and in the last quarter of
    the frames; the absolute difference, averaged over channels and over the parts that fill 3 % of both quarters.
    Parts may move, grow and shrink without counting. When no part is there in both, the change of the whole frame's
    mean colour counts.
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
    """Motion score [clips, references] of every clip with every reference; clips and references of one length."""
    fields, wanted = [motion_field(c) for c in clips], [motion_field(r) for r in references]
    return np.array([[field_score(field, want) for want in wanted] for field in fields])


def reference_ranks(matrix: np.ndarray) -> np.ndarray:
    """[n]: the place of each clip's own reference (the diagonal) among all references, 1 when it is the nearest."""
    return 1 + (matrix > np.diag(matrix)[:, None]).sum(1)


def _line_distance(pixels: np.ndarray, colour: np.ndarray, low: float, high: float) -> np.ndarray:
    """Distance of pixels [..., 3] to the colours low..high times `colour`."""
    share = np.clip(pixels @ colour / (colour @ colour), low, high)
    return np.linalg.norm(pixels - share[..., None] * colour, axis=-1)


def _robust_fit(model: np.ndarray, target: np.ndarray, rounds: int = 6) -> np.ndarray:
    """Least squares in which what lies far off the common solution loses its say (Tukey's biweight)."""
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
