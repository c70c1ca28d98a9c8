"""Random looks and motions: every kind of path and camera move."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .solids import SHAPES
from .world import FRAMES, GROUND_COLORS, SKY_COLORS, SUBJECT_COLORS, Look, Motion, project

PATHS = ("line", "side", "depth", "arc", "bounce", "swing", "jump")
CAMERA_MOVES = ("pan", "tilt", "roll", "dolly", "truck", "crane", "orbit", "zoom")
BLOCKOUT_SHARE = 0.22  # of the clips: all gray, like an animator's unshaded shot


def random_look(rng: np.random.Generator, blockout: bool | None = None) -> Look:
    if blockout is None:
        blockout = bool(rng.random() < BLOCKOUT_SHARE)
    if blockout:
        subject = ground = sky = "grey"
        shades = tuple(rng.uniform((0.95, 0.65, 0.3), (1.5, 1.15, 1.35)))
    else:
        ground, sky = str(rng.choice(GROUND_COLORS)), str(rng.choice(SKY_COLORS))
        subject = str(rng.choice([c for c in SUBJECT_COLORS if c not in (ground, sky)]))
        shades = tuple(rng.uniform(0.92, 1.06, 3))
    return Look(
        shape=str(rng.choice(SHAPES)),
        subject=subject,
        ground=ground,
        sky=sky,
        shades=shades,
        contrast=float(rng.uniform(0.1, 0.22)),
        tile=float(rng.uniform(1.9, 2.6)),
        offset=tuple(rng.uniform(0, 6.28, 3)),
        light=(float(rng.uniform(-1.2, 1.2)), float(rng.uniform(0.6, 1.05))),
        grain=float(rng.uniform(0.02, 0.08)),
        gloss=float(rng.choice([0.0, rng.uniform(0.1, 0.35)])),
    )


def recolored(look: Look, rng: np.random.Generator) -> Look:
    """A look with another shape and other colors everywhere, for the same motion."""
    while True:
        other = random_look(rng, blockout=False)
        if all(getattr(other, part) != getattr(look, part) for part in ("shape", "subject", "ground", "sky")):
            return other


def random_motion(rng: np.random.Generator, kind: str | None = None, frames: int = FRAMES) -> Motion:
    """A random motion. kind: 'subject' (fixed camera), 'camera' (fixed subject) or 'both'; random when None. frames:
    the duration; the same motion with more frames is slower."""
    kind = kind or str(rng.choice(["subject", "camera", "both"], p=[0.5, 0.33, 0.17]))
    while True:
        motion = _standing_shot(rng, frames)
        if kind != "camera":
            motion = move_subject(motion, rng, str(rng.choice(PATHS)))
        if kind != "subject":
            for move in rng.choice(CAMERA_MOVES, size=1 if rng.random() < 0.7 else 2, replace=False):
                motion = move_camera(motion, rng, str(move))
        if _stays_in_view(motion, kind):
            return motion


def _standing_shot(rng: np.random.Generator, frames: int) -> Motion:
    distance, height = rng.uniform(5.5, 8.0), rng.uniform(1.2, 3.6)
    focal = rng.uniform(1.9, 2.5)
    pitch = -np.arctan2(height - rng.uniform(0.7, 1.5), distance)
    camera = np.array([0, height, -distance, rng.uniform(-0.08, 0.08), pitch, 0, focal], np.float32)
    subject = np.array([rng.uniform(-1.5, 1.5), 0, rng.uniform(-0.7, 1.8)], np.float32)
    turn = rng.uniform(0, 1.57) + rng.choice([0, 0, 1, -1]) * rng.uniform(0.5, 2.5) * np.linspace(0, 1, frames)
    return Motion(
        subject=np.repeat(subject[None], frames, 0),
        yaw=turn.astype(np.float32),
        radius=float(rng.uniform(0.8, 1.15)),
        camera=np.repeat(camera[None], frames, 0),
    )


def _course(rng: np.random.Generator, frames: int) -> np.ndarray:
    """[frames] from 0 to 1: linear, or with ease-in and ease-out."""
    t = np.linspace(0, 1, frames, dtype=np.float32)
    return t * t * (3 - 2 * t) if rng.random() < 0.3 else t


def move_subject(motion: Motion, rng: np.random.Generator, path: str) -> Motion:
    """Moves the subject along a path whose ends are at least 1.6 units apart on screen or in depth."""
    t = _course(rng, len(motion.yaw))
    start, end = (np.array([rng.uniform(-2.2, 2.2), 0, rng.uniform(-1.2, 2.5)]) for _ in range(2))
    if path != "depth" and abs(end[0] - start[0]) < 1.8:
        end[0] = start[0] - np.sign(start[0]) * rng.uniform(1.8, 3.4)
    if path == "side":
        end[2] = start[2]
    if path == "depth":
        start[2], end[2] = rng.permutation([rng.uniform(-2.2, -1.2), rng.uniform(2.0, 4.5)])
    course = start + (end - start) * t[:, None]
    if path == "arc":
        centre, reach = rng.uniform((-0.6, 0, 0.0), (0.6, 0, 1.0)), rng.uniform(0.9, 1.8)
        angle = rng.uniform(0, 2 * np.pi) + rng.choice([-1, 1]) * rng.uniform(2.0, 5.5) * t
        course = centre + reach * np.stack([np.cos(angle), 0 * t, np.sin(angle)], -1)
    if path == "swing":
        wave = np.sin(rng.uniform(0, 2 * np.pi) + rng.uniform(4, 8) * t)
        course = (start + end) / 2 + (end - start) / 2 * wave[:, None]
    if path == "bounce":
        course[:, 1] = rng.uniform(0.8, 1.9) * np.abs(np.sin(np.pi * (rng.uniform(1.0, 2.2) * t + rng.uniform(0, 1))))
    if path == "jump":
        course[:, [0, 2]] = start[[0, 2]] + (end - start)[[0, 2]] * t[:, None] * rng.uniform(0, 1)
        course[:, 1] = rng.uniform(1.2, 2.4) * 4 * t * (1 - t)
    return replace(motion, subject=course.astype(np.float32))


def move_camera(motion: Motion, rng: np.random.Generator, move: str) -> Motion:
    """Adds a camera move over the whole clip, in a random direction."""
    t = (_course(rng, len(motion.yaw)) - 0.5) * rng.choice([-1, 1])
    camera = motion.camera.copy()
    x, y, z, yaw, pitch, roll, focal = camera.T  # views: writing them moves the camera
    if move == "pan":
        yaw += rng.uniform(0.25, 0.6) * t
    elif move == "tilt":
        pitch += rng.uniform(0.25, 0.5) * t
    elif move == "roll":
        roll += rng.uniform(0.4, 1.1) * t
    elif move == "dolly":
        z += rng.uniform(2.0, 4.5) * t
    elif move == "truck":
        x += rng.uniform(1.8, 4.0) * t
    elif move == "crane":
        rise = rng.uniform(1.2, 2.4) * t
        y += rise
        pitch -= 0.6 * np.arctan2(rise, -z)
    elif move == "orbit":
        angle = rng.uniform(0.5, 1.3) * t
        distance = -z.copy()
        x += distance * np.sin(angle)
        z += distance * (1 - np.cos(angle))
        yaw -= angle
    elif move == "zoom":
        focal *= np.exp(rng.uniform(0.4, 0.9) * t)
    return replace(motion, camera=camera)


def _stays_in_view(motion: Motion, kind: str) -> bool:
    screen = project(motion)
    away = np.abs(screen).max(-1)
    near = (motion.subject[:, 2] - motion.camera[:, 2]).min()
    limit = 0.85 if kind == "subject" else 1.0
    travel = np.ptp(screen, axis=0).max() if kind == "subject" else 1.0
    return bool(near > 2.5 and motion.camera[:, 1].min() > 0.5 and (away < limit).mean() >= 0.9 and travel > 0.45)
