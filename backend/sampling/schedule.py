"""Which timesteps are visited and how strongly each is guided: small pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Step:
    """One denoising step: its timestep, the next one (-1 after the last), and the weight of guidance in it."""

    index: int
    timestep: int
    next_timestep: int
    ramp: float


def uneven_timesteps(steps: int, guided_steps: int, guided_range: float, train_steps: int = 1000) -> list[int]:
    """Descending timesteps: `guided_steps` of them over the noisiest `guided_range` of the schedule, the rest below.

    arXiv:2406.05338 v4; `timesteps` in v2_*.safetensors. With no guided steps all are spread evenly.
    """
    if not guided_steps:
        return np.linspace(0, train_steps - 1, steps).round().astype(int)[::-1].tolist()
    border = int((1 - guided_range) * train_steps)
    guided = np.linspace(border, train_steps - 1, guided_steps).round().astype(int)[::-1]
    plain = np.linspace(0, border - 1, steps - guided_steps).round().astype(int)[::-1]
    return [*guided.tolist(), *plain.tolist()]


def guidance_ramp(step: int, guided_steps: int, warm_up: int, cool_down: int) -> float:
    """Weight of guidance in guided step `step` (from 0): rises over `warm_up`, falls over `cool_down`, then is 0."""
    if step >= guided_steps:
        return 0.0
    rise = (step + 1) / warm_up if step < warm_up else 1.0
    fall = (guided_steps - step) / cool_down if step > guided_steps - cool_down else 1.0
    return rise * fall


def plan(timesteps: Sequence[int], guided_steps: int, warm_up: int, cool_down: int) -> list[Step]:
    following = [*timesteps[1:], -1]
    return [
        Step(i, t, following[i], guidance_ramp(i, guided_steps, warm_up, cool_down)) for i, t in enumerate(timesteps)
    ]
