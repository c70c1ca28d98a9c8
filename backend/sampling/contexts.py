"""Contexts: the windows of a long clip. The model predicts each alone, and their predictions are averaged.

A model generates clips of the length that it was trained with. MultiDiffusion (Bar-Tal et al., arXiv:2302.08113) along
time lets it generate longer ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..job_folder.settings import Settings

Context = tuple[int, ...]  # the frames of a window, ascending
PHASES = 3  # steps until the borders are where they were; prime, so that reuse_negative 2 or 4 meets all of them


@dataclass(frozen=True)
class Contexts:
    """The contexts of a clip of `frames` frames. The others are the settings context_length, context_overlap and
    context_stride."""

    frames: int
    length: int
    overlap: int
    stride: int = 1

    @property
    def several(self) -> bool:
        """Whether the clip is longer than one context."""
        return self.frames > self.length

    @property
    def advance(self) -> int:
        """The number of frames from one context to the next."""
        return self.length - self.overlap

    def at(self, step: int) -> list[Context]:
        """Returns the contexts of a denoising step. All have the same length, and together they contain each frame.

        Their borders move from step to step, so that none leaves a seam. With a stride above 1 there are also contexts
        of every 2nd, 4th ... frame; each step takes those of one remainder.
        """
        if not self.several:
            return [tuple(range(self.frames))]
        found: list[Context] = []
        for jump in (2**k for k in range(self.stride)):
            row = range(step % jump, self.frames, jump)
            if len(row) >= self.length:
                found += [tuple(row[start : start + self.length]) for start in self._starts(len(row), step)]
        return found

    def distinct(self, steps: Iterable[int]) -> list[Context]:
        """Returns each context of these steps once."""
        return list(dict.fromkeys(context for step in steps for context in self.at(step)))

    def _starts(self, count: int, step: int) -> list[int]:
        """Returns the first frame of each context of `count` frames in a row."""
        last, shift = count - self.length, self.advance * (step % PHASES) // PHASES
        return sorted({min(max(start, 0), last) for start in range(-shift, last + self.advance, self.advance)})


ONE_CONTEXT = Contexts(frames=1, length=1, overlap=0)


def contexts_of(settings: Settings, frames: int) -> Contexts:
    """Returns the contexts of a clip of `frames` frames; a model family without contexts has only one."""
    length = settings.context_length or frames
    return Contexts(frames, min(length, frames), settings.context_overlap or 0, settings.context_stride)
