"""Endless batches of scenes and captions, created by separate processes so that a GPU does not wait for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from .captions import training_caption
from .moves import random_look, random_motion
from .world import FRAMES, SIZE, Scenes, pack

SHAPES = (SIZE, (96, 160), (160, 96))  # height and width of the clips of a batch: square, wide, tall
SHAPE_SHARES = (0.75, 0.2, 0.05)
LENGTHS = (FRAMES, 24)  # frames of the clips of a batch
LENGTH_SHARES = (0.8, 0.2)
SPANS = (1.0, 1.0, 1.5, 2.0)  # the duration of a motion relative to its clip: 1.5 is a slower motion that is cut
FRAMES_OF_A_MOTION = 2  # single frames per motion, each with another look
WORKERS = 12
KEPT = 128  # items that `reused` mixes
Item = TypeVar("Item")


@dataclass(frozen=True)
class Batch:
    """A batch. size: height and width of the clips; captions: one per scene."""

    scenes: Scenes
    captions: list[str]
    size: tuple[int, int]


class Batches(IterableDataset):
    """Batches of `count` clips, or of single frames (frames = 1) with that many looks."""

    def __init__(self, seed: int, count: int, frames: int | None, shapes: bool = True):
        self.seed, self.count, self.frames, self.shapes = seed, count, frames, shapes

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            yield self._batch(rng)

    def _batch(self, rng: np.random.Generator) -> Batch:
        size = SHAPES[rng.choice(len(SHAPES), p=SHAPE_SHARES)] if self.shapes else SIZE
        length = self.frames or int(rng.choice(LENGTHS, p=LENGTH_SHARES))
        pairs = [pair for _ in range(self._motions) for pair in self._pairs(rng, length)]
        pairs.sort(key=lambda pair: pair[0].shape)
        looks, motions = zip(*pairs[: self.count])
        return Batch(pack(looks, motions), [training_caption(look, rng) for look in looks], size)

    @property
    def _motions(self) -> int:
        return -(-self.count // FRAMES_OF_A_MOTION) if self.frames == 1 else self.count

    def _pairs(self, rng: np.random.Generator, length: int) -> list[tuple]:
        if length == 1:
            motion = random_motion(rng)
            chosen = rng.choice(FRAMES, FRAMES_OF_A_MOTION, replace=False)
            return [(random_look(rng), motion.of_frames([int(f)])) for f in chosen]
        span = round(length * float(rng.choice(SPANS)))
        first = int(rng.integers(span - length + 1))
        motion = random_motion(rng, frames=span).of_frames(range(first, first + length))
        return [(random_look(rng), motion)]


def feed(batches: Batches, device: torch.device) -> Iterator[Batch]:
    """The batches on the device, chosen in advance by other processes if it is fast enough to need that."""
    for batch in chosen_ahead(batches, 0 if device.type == "cpu" else WORKERS):
        yield replace(batch, scenes=batch.scenes.to(device))


def chosen_ahead(batches: Batches, workers: int) -> Iterator[Batch]:
    """The batches as so many processes choose them; with 0 the caller's own process."""
    return iter(DataLoader(batches, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None))


def reused(fresh: Iterator[Item], uses: int, rng: np.random.Generator) -> Iterator[Item]:
    """Yields each item `uses` times on average, mixed among the newest KEPT."""
    kept: deque[Item] = deque(maxlen=KEPT)
    while True:
        if not kept or rng.random() * uses < 1:
            kept.append(next(fresh))
            yield kept[-1]
        else:
            yield kept[rng.integers(len(kept))]
