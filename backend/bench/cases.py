"""The test cases: a drawn reference clip with known motion, and a prompt for another look."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..demo_training.moves import random_look, random_motion, recolored
from ..demo_training.world import SIZE, Look, Motion, draw_clip, project
from ..job_folder.clip_size import clip_size
from ..models.model_entry import ModelEntry

FIRST_SEED = 90_000_000  # far from every seed used in training
FIRST_TUNING_SEED = 80_000_000  # of the cases for choosing settings, so that the others stay unseen
PER_KIND = 12
SHADES = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Case:
    """A test case. number: its index; kind: 'subject' (fixed camera) or 'camera' (fixed subject); reference_look: what
    the reference shows, a gray blockout or colors; look: what the prompt asks for."""

    number: int
    kind: str
    motion: Motion
    reference_look: Look
    look: Look
    size: tuple[int, int] = SIZE  # height and width of the clips

    @property
    def prompt(self) -> str:
        return self.look.caption

    @cached_property
    def reference(self) -> np.ndarray:
        """uint8 [F, H, W, 3]: the reference clip."""
        return draw_clip(self.reference_look, self.motion, self.size)

    @cached_property
    def truth(self) -> np.ndarray:
        """uint8 [F, H, W, 3]: the same motion drawn with the look of the prompt, an upper limit for generated clips."""
        return draw_clip(self.look, self.motion, self.size)

    @cached_property
    def path(self) -> np.ndarray:
        """[F, 2]: the subject's true screen position in half frame heights from the center, right and down."""
        return project(self.motion)


def cases_for(entry: ModelEntry, tuning: bool = False) -> list[Case]:
    """The cases at the size of the model's square clips."""
    return motion_cases(tuning, clip_size(1.0, entry.clip.area, entry.clip.multiple))


def motion_cases(tuning: bool = False, size: tuple[int, int] = SIZE) -> list[Case]:
    """12 cases with a moving subject and 12 with a moving camera, always the same. Every other reference is a gray
    blockout.

    tuning: 24 other cases, for choosing settings. Published figures use the first ones.
    """
    first = FIRST_TUNING_SEED if tuning else FIRST_SEED
    cases: list[Case] = []
    for number in range(2 * PER_KIND):
        rng = np.random.default_rng(first + number)
        kind = "subject" if number < PER_KIND else "camera"
        shown = random_look(rng, blockout=number % 2 == 0)
        cases.append(Case(number, kind, _clear_motion(rng, kind), shown, recolored(shown, rng), size))
    return cases


def _clear_motion(rng: np.random.Generator, kind: str) -> Motion:
    """A motion whose subject stays inside the frame, so that its position can be judged in every frame."""
    while True:
        motion = random_motion(rng, kind)
        if np.abs(project(motion)).max() < (0.8 if kind == "subject" else 0.95):
            return motion
