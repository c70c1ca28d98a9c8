"""What passes of the demo world show: depth, that its ControlNet is trained on, and the subject's mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .world import Look, Motion, _half_spaces, draw_clip, rotation


def draw_depth(
    shape: str, motion: Motion, size: tuple[int, int] = (64, 64), frames: Sequence[int] | None = None
) -> np.ndarray:
    """uint8 [F, H, W, 3] for size (H, W): inverse distance, the nearest of the clip white, the sky black."""
    frames = range(len(motion.camera)) if frames is None else frames
    nearness = np.stack([1 / _distance(shape, motion, f, size) for f in frames])
    grey = (nearness / nearness.max() * 255 + 0.5).astype(np.uint8)
    return np.repeat(grey[..., None], 3, -1)


def draw_mask(shape: str, motion: Motion, size: tuple[int, int] = (64, 64)) -> np.ndarray:
    """float32 [F, H, W]: the subject's share 0..1 of each pixel, told by drawing it white and then black."""
    drawn = [
        draw_clip(Look(shape, colour, "grey", "grey", shades=(2.0, 1.0, 1.0)), motion, size).astype(np.float32)
        for colour in ("white", "black")
    ]
    contrast = (drawn[0] - drawn[1]).mean(-1)
    return np.clip(contrast / 200, 0, 1)


def _distance(shape: str, motion: Motion, f: int, size: tuple[int, int]) -> np.ndarray:
    """Along the view axis, in units [H, W]; infinite in the sky."""
    height, width = size
    cam = motion.camera[f]
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = (xs + 0.5 - width / 2) * (2 / height), (height / 2 - ys - 0.5) * (2 / height)
    # A ray is one unit long along the view axis, so a reach in rays is the distance along it.
    rays = np.stack([x / cam[6], y / cam[6], np.ones_like(x)], -1) @ rotation(*cam[3:6]).T
    down = rays[..., 1]
    ground = np.where(down < 0, -cam[1] / np.minimum(down, -1e-6), np.inf)
    eye = cam[:3] - motion.subject[f]
    if shape == "ball":
        return np.minimum(ground, _ball(eye - np.array([0, motion.radius, 0]), rays, motion.radius))
    return np.minimum(ground, _polyhedron(eye, rays, *_half_spaces(shape, motion.radius, motion.yaw[f])))


def _ball(eye: np.ndarray, rays: np.ndarray, radius: float) -> np.ndarray:
    a, b = (rays**2).sum(-1), rays @ eye
    root = b**2 - a * (eye @ eye - radius**2)
    reach = (-b - np.sqrt(np.maximum(root, 0))) / a
    return np.where((root > 0) & (reach > 0), reach, np.inf)


def _polyhedron(eye: np.ndarray, rays: np.ndarray, normals: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    speed = rays @ normals.T
    reach = (offsets - normals @ eye) / np.where(np.abs(speed) < 1e-5, 1e-5, speed)
    enter, leave = np.where(speed < 0, reach, -np.inf).max(-1), np.where(speed > 0, reach, np.inf).min(-1)
    return np.where((leave > enter) & (enter > 0), enter, np.inf)
