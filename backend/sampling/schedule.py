"""Which timesteps are visited and how strongly each is guided: small pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import JobError

LCM_LEVELS = 50  # noise levels that latent consistency models were distilled on, evenly spread


@dataclass(frozen=True)
class Step:
    """One denoising step: its timestep, the next one (-1 after the last), and the weight of guidance in it."""

    index: int
    timestep: float  # a whole number but in flow matching
    next_timestep: float
    ramp: float


def even_timesteps(steps: int, train_timesteps: int = 1000) -> list[int]:
    """Descending from the last to 0, evenly spread; `timesteps` in v1_*.safetensors."""
    return np.linspace(0, train_timesteps - 1, steps).round().astype(int)[::-1].tolist()


def uneven_timesteps(steps: int, guided_steps: int, guided_range: float, train_timesteps: int = 1000) -> list[int]:
    """Descending timesteps: `guided_steps` of them over the noisiest `guided_range` of the schedule, the rest below.

    arXiv:2406.05338 v4; `timesteps` in v2_*.safetensors. With no guided steps all are spread evenly.
    """
    if not guided_steps:
        return even_timesteps(steps, train_timesteps)
    border = int((1 - guided_range) * train_timesteps)
    guided = np.linspace(border, train_timesteps - 1, guided_steps).round().astype(int)[::-1]
    plain = np.linspace(0, border - 1, steps - guided_steps).round().astype(int)[::-1]
    return [*guided.tolist(), *plain.tolist()]


def lcm_timesteps(steps: int, guided_steps: int, guided_range: float, train_timesteps: int = 1000) -> list[int]:
    """As `uneven_timesteps`, of the levels that a latent consistency model knows, and none at the very end.

    JobError when there are fewer levels than steps. With no guided steps the timesteps are those of diffusers.
    """
    levels = np.arange(LCM_LEVELS, 0, -1) * (train_timesteps // LCM_LEVELS) - 1
    border = round(guided_range * LCM_LEVELS) if guided_steps else 0
    if guided_steps > border or steps - guided_steps > LCM_LEVELS - border:
        raise JobError(
            f"The sampler lcm knows {LCM_LEVELS} noise levels, {border} of them for guided steps by guided_range; "
            f"{steps} steps with {guided_steps} guided do not fit.",
            "Lower steps and guided_steps (4 to 8 steps are usual), or set sampler to ddim.",
        )
    guided = np.linspace(0, border, guided_steps, endpoint=False).astype(int)
    plain = np.linspace(border, LCM_LEVELS, steps - guided_steps, endpoint=False).astype(int)
    return levels[[*guided, *plain]].tolist()


def guidance_ramp(step: int, guided_steps: int, warm_up: int, cool_down: int) -> float:
    """Weight of guidance in guided step `step` (from 0): rises over `warm_up`, falls over `cool_down`, then is 0."""
    if step >= guided_steps:
        return 0.0
    rise = (step + 1) / warm_up if step < warm_up else 1.0
    fall = (guided_steps - step) / cool_down if step > guided_steps - cool_down else 1.0
    return rise * fall


def plan_steps(
    timesteps: Sequence[float], guided_steps: int, warm_up: int, cool_down: int, stride: int | None = None
) -> list[Step]:
    """Each step leads to the next timestep of the list or, in the inversion method, `stride` below its own."""
    following = [*timesteps[1:], -1] if stride is None else [t - stride for t in timesteps]
    return [
        Step(i, t, following[i], guidance_ramp(i, guided_steps, warm_up, cool_down)) for i, t in enumerate(timesteps)
    ]
