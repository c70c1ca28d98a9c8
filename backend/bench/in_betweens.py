"""`python -m backend bench in-betweens`: checks the frames between a model's frames against drawn truth.

Clips are drawn at several times the model's rate, and only the model's frames are kept. PSNR compares the frames in
between with the drawn ones. Pulsing is how much more the picture changes midway between two of the model's frames than
near them. Give generated clips, as `bench motion --clips` keeps them, to measure pulsing where frames disagree.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..clips import in_between, read_clip
from ..demo_training.moves import random_look, random_motion
from ..demo_training.world import FRAMES, draw_clip

FACTORS = (3, 8)
LONG = 120  # frames that generated clips are interpolated to
MIDWAY, NEAR = 1 / 3, 1 / 6  # distance to the nearest of the model's frames, in their spacing


def main(arguments: Sequence[str]) -> int:
    options = make_parser().parse_args(arguments)
    for factor in FACTORS:
        figures, seconds = [], 0.0
        for true in drawn_clips(options.clips, factor):
            begin = time.perf_counter()
            made = in_between(true[::factor], len(true))
            seconds += time.perf_counter() - begin
            between = np.arange(len(true)) % factor > 0
            figures.append((psnr(made[between], true[between]), pulsing(made, FRAMES), pulsing(true, FRAMES)))
        mean = np.mean(figures, 0)
        print(
            f"{factor} times the frames: PSNR {mean[0]:.2f} dB, pulsing {mean[1]:.2f} (true {mean[2]:.2f}), "
            f"{seconds / options.clips:.2f} s a clip",
            flush=True,
        )
    for folder in options.generated:
        frames = read_clip(folder).frames
        print(f"{folder}: {len(frames)} to {LONG} frames, pulsing {pulsing(in_between(frames, LONG), len(frames)):.2f}")
    return 0


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backend bench in-betweens", description=__doc__)
    parser.add_argument("--clips", type=int, default=16, help="clips to draw (default: %(default)s)")
    parser.add_argument("generated", type=Path, nargs="*", help="generated clips to measure too: files or folders")
    return parser


def drawn_clips(count: int, factor: int) -> Iterator[np.ndarray]:
    """Yields clips, uint8 [F, H, W, 3], of which each `factor`th frame is one of the model's."""
    rng = np.random.default_rng(11)
    for _ in range(count):
        yield draw_clip(random_look(rng), random_motion(rng, frames=(FRAMES - 1) * factor + 1))


def psnr(made: np.ndarray, true: np.ndarray) -> float:
    """The peak signal-to-noise ratio of all pixels together, in dB."""
    return float(10 * np.log10(255**2 / ((made.astype(np.float32) - true) ** 2).mean()))


def pulsing(frames: np.ndarray, given: int) -> float:
    """The mean change from frame to frame midway between the `given` frames, relative to near them: 1 is even motion.

    frames: uint8 [F, H, W, 3], of which `given` are evenly spaced and were not interpolated.
    """
    changes = np.abs(np.diff(frames.astype(np.float32), axis=0)).mean((1, 2, 3))
    times = (np.arange(len(changes)) + 0.5) * (given - 1) / len(changes)
    distance = np.abs(times - times.round())
    return float(changes[distance > MIDWAY].mean() / changes[distance < NEAR].mean())
