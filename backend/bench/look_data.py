"""Labeled frames for the look classifier: clean renders, and spoiled ones that must not count as clean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from ..demo_training.moves import random_look, random_motion
from ..demo_training.solids import SHAPES
from ..demo_training.world import (
    COLORS,
    FRAMES,
    GROUND_COLORS,
    SIZE,
    SKY_COLORS,
    SUBJECT_COLORS,
    Look,
    Motion,
    draw_clip,
)
from .judges import GROUND, SKY, SUBJECT, segment

OTHER = "other"  # a color that captions never use for this part
ANSWERS: dict[str, tuple[str, ...]] = {
    "shape": SHAPES,
    "subject": (*SUBJECT_COLORS, OTHER),
    "ground": (*GROUND_COLORS, OTHER),
    "sky": (*SKY_COLORS, OTHER),
    "clean": ("no", "yes"),
}
IGNORED = -100  # questions about invisible parts are skipped
VISIBLE = {SUBJECT: 0.012, GROUND: 0.03, SKY: 0.03}  # of the frame
OTHER_SHARE, SPOILED_SHARE = 0.12, 0.3


def draw_frames(rng: np.random.Generator, count: int, plain: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [count, 128, 128, 3] and labels [count, 5] in the order of ANSWERS. plain: only clean, colored renders."""
    frames = np.empty((count, *SIZE, 3), np.uint8)
    labels = np.empty((count, len(ANSWERS)), np.int64)
    for k in range(count):
        look, motion, f = _any_look(rng, plain), random_motion(rng), int(rng.integers(FRAMES))
        frames[k] = draw_clip(look, motion, frames=[f])[0]
        labels[k] = _labels(look, frames[k])
        if not plain and rng.random() < SPOILED_SHARE:
            frames[k] = _spoiled(rng, frames[k], frames[rng.integers(k + 1)], look, motion, f)
            labels[k] = [IGNORED] * 4 + [0]
    return frames, labels


def _any_look(rng: np.random.Generator, plain: bool) -> Look:
    look = random_look(rng, blockout=False if plain else None)
    if plain or rng.random() > 3 * OTHER_SHARE or look.subject == "grey":
        return look
    part = str(rng.choice(["subject", "ground", "sky"]))
    known = {"subject": SUBJECT_COLORS, "ground": GROUND_COLORS, "sky": SKY_COLORS}[part]
    taken = (*known, look.subject, look.ground, look.sky)
    return replace(look, **{part: str(rng.choice([c for c in COLORS if c not in taken]))})


def _labels(look: Look, frame: np.ndarray) -> list[int]:
    names = {"shape": look.shape, "subject": look.subject, "ground": look.ground, "sky": look.sky, "clean": "yes"}
    labels = [_index(answers, names[question]) for question, answers in ANSWERS.items()]
    if look.subject == look.ground:  # a blockout: parts cannot be told apart by color, and all are "other"
        return labels
    shown, _ = segment(frame[None], look)
    share = {part: (shown == part).mean() for part in VISIBLE}
    for question, part in ((0, SUBJECT), (1, SUBJECT), (2, GROUND), (3, SKY)):
        if share[part] < VISIBLE[part]:
            labels[question] = IGNORED
    return labels


def _index(answers: tuple[str, ...], name: str) -> int:
    return answers.index(name) if name in answers else answers.index(OTHER)


def _spoiled(
    rng: np.random.Generator, frame: np.ndarray, another: np.ndarray, look: Look, motion: Motion, f: int
) -> np.ndarray:
    away = replace(motion, subject=motion.subject + np.array([0, 0, -200], np.float32))  # behind the camera
    spoilers: list[Callable[[], np.ndarray]] = [
        lambda: draw_clip(look, away, frames=[f])[0],
        lambda: _blobs(rng, draw_clip(look, away, frames=[f])[0], COLORS[look.subject]),
        lambda: _blobs(rng, draw_clip(look, away, frames=[f])[0], COLORS[look.subject]),
        lambda: cv2.GaussianBlur(frame, (0, 0), SIZE[0] * float(rng.uniform(0.03, 0.09))),
        lambda: _torn(rng, frame),
        lambda: cv2.addWeighted(frame, 0.5, another[:, ::-1].copy(), 0.5, 0),
        lambda: _fog(rng),
    ]
    return spoilers[rng.integers(len(spoilers))]()


def _blobs(rng: np.random.Generator, scene: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """Soft spots in the subject's color instead of a subject: the prompt's color without its shape."""
    ys, xs = np.mgrid[0 : SIZE[0], 0 : SIZE[1]] / SIZE[0]
    cover = np.zeros(SIZE)
    for _ in range(rng.integers(1, 4)):
        x, y = rng.uniform(0.19, 0.81, 2)
        wide, high = rng.uniform(0.06, 0.17, 2)
        cover = np.maximum(cover, np.exp(-(((xs - x) / wide) ** 2) - ((ys - y) / high) ** 2))
    cover = (cover * rng.uniform(0.7, 1.0))[..., None]
    shaded = np.array(color) * rng.uniform(0.6, 1.1)
    return np.clip(scene * (1 - cover) + shaded * cover, 0, 255).astype(np.uint8)


def _torn(rng: np.random.Generator, frame: np.ndarray) -> np.ndarray:
    """A frame displaced by waves of 4 to 11 % of its height: melted shapes."""
    ys, xs = np.mgrid[0 : SIZE[0], 0 : SIZE[1]].astype(np.float32)
    shift = cv2.resize(rng.normal(0, 1, (8, 8, 2)).astype(np.float32), SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    shift *= rng.uniform(0.04, 0.11) * SIZE[0]
    return cv2.remap(frame, xs + shift[..., 0], ys + shift[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def _fog(rng: np.random.Generator) -> np.ndarray:
    """Colored clouds without a scene, as from an untrained model."""
    colors = np.array(list(COLORS.values()), np.float32)
    small = colors[rng.integers(len(colors), size=(5, 5))]
    return np.clip(cv2.resize(small, SIZE[::-1], interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)
