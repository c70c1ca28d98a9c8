"""The timesteps that sampling visits, and the weight of guidance at each: small pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..job_folder.problem import Problem

LCM_LEVELS = 50  # evenly spaced noise levels on which latent consistency models are distilled


@dataclass(frozen=True)
class Step:
    """One denoising step: its timestep, the next timestep (-1: clean), and `ramp`, the weight of guidance, 0 to 1.

    refining: the step belongs to the pass that refines the finished latents. starts_refining: it is the first of them,
    before which the latents get noise again.
    """

    index: int
    timestep: float  # an integer, except for flow matching
    next_timestep: float
    ramp: float
    refining: bool = False
    starts_refining: bool = False


def even_timesteps(steps: int, train_timesteps: int = 1000) -> list[int]:
    """Returns `steps` descending timesteps, evenly spaced from train_timesteps - 1 to 0.

    As in the official code of MotionClone v1 to v3 (`timesteps` in tests/reference/v1_*.safetensors).
    """
    return np.linspace(0, train_timesteps - 1, steps).round().astype(int)[::-1].tolist()


def uneven_timesteps(steps: int, guided_steps: int, guided_range: float, train_timesteps: int = 1000) -> list[int]:
    """Returns `steps` descending timesteps, with `guided_steps` of them in the noisiest `guided_range` of the schedule.

    As in the official code of MotionClone, arXiv:2406.05338v4 (`timesteps` in tests/reference/v2_*.safetensors). Both
    parts are evenly spaced. Without guided steps all timesteps are evenly spaced.
    """
    if not guided_steps:
        return even_timesteps(steps, train_timesteps)
    border = int((1 - guided_range) * train_timesteps)
    guided = np.linspace(border, train_timesteps - 1, guided_steps).round().astype(int)[::-1]
    plain = np.linspace(0, border - 1, steps - guided_steps).round().astype(int)[::-1]
    return [*guided.tolist(), *plain.tolist()]


def lcm_timesteps(steps: int, guided_steps: int, guided_range: float, train_timesteps: int = 1000) -> list[int]:
    """Like `uneven_timesteps`, but only with noise levels on which latent consistency models are distilled.

    Luo et al., arXiv:2310.04378, section 4.3 (skipping steps). Without guided steps the timesteps equal those of
    diffusers' LCMScheduler. Raises Problem if a part has fewer noise levels than steps.
    """
    levels = np.arange(LCM_LEVELS, 0, -1) * (train_timesteps // LCM_LEVELS) - 1
    border = round(guided_range * LCM_LEVELS) if guided_steps else 0
    if guided_steps > border or steps - guided_steps > LCM_LEVELS - border:
        raise Problem(
            "The sampler lcm has {levels} noise levels, and guided_range leaves {border} of them for "
            "guided steps: {steps} steps with {guided_steps} guided do not fit.",
            "Lower steps and guided_steps (4 to 8 steps are usual), or set sampler to ddim.",
        ).about(levels=LCM_LEVELS, border=border, steps=steps, guided_steps=guided_steps)
    guided = np.linspace(0, border, guided_steps, endpoint=False).astype(int)
    plain = np.linspace(border, LCM_LEVELS, steps - guided_steps, endpoint=False).astype(int)
    return levels[[*guided, *plain]].tolist()


def guidance_ramp(step: int, guided_steps: int, warm_up: int, cool_down: int) -> float:
    """Returns the weight of guidance at a step, counted from 0: 0 from `guided_steps` on.

    It rises linearly over the first `warm_up` guided steps and falls linearly over the last `cool_down` ones, as in the
    official code of MotionClone.
    """
    if step >= guided_steps:
        return 0.0
    rise = (step + 1) / warm_up if step < warm_up else 1.0
    fall = (guided_steps - step) / cool_down if step > guided_steps - cool_down else 1.0
    return rise * fall


def plan_steps(
    timesteps: Sequence[float], guided_steps: int, warm_up: int, cool_down: int, stride: int | None = None
) -> list[Step]:
    """Returns the denoising steps of these timesteps.

    stride: the distance to the next timestep in the inversion method; None leads each step to the next of the list.
    """
    following = [*timesteps[1:], -1] if stride is None else [t - stride for t in timesteps]
    return [
        Step(i, t, following[i], guidance_ramp(i, guided_steps, warm_up, cool_down)) for i, t in enumerate(timesteps)
    ]


def plan_refining(timesteps: Sequence[float], first: int) -> list[Step]:
    """Returns the steps of the pass that refines finished latents; `first` is the index of the first of them.

    It adds noise to the latents and removes it without guidance, which pulls the clip back to what the model knows: the
    method of Meng et al. (SDEdit, arXiv:2108.01073, algorithm 2) on the model's own latents.
    """
    following = [*timesteps[1:], -1]
    return [Step(first + i, t, following[i], 0.0, True, i == 0) for i, t in enumerate(timesteps)]
