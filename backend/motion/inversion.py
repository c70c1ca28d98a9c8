"""DDIM inversion of the reference clip: the noisy latents from which sampling would lead back to it."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import torch
from torch import Tensor

from ..backbones.base import Denoise
from ..errors import JobError
from ..sampling.noise_schedule import NoiseSchedule
from ..sampling.state import SamplerState


def inversion_timesteps(steps: int, train_timesteps: int = 1000) -> list[int]:
    """Ascending, evenly spread from 0 to the last (`inversion_timesteps` in v1_*.safetensors)."""
    return np.linspace(0, train_timesteps - 1, steps).round().astype(int).tolist()


def check_timesteps(wanted: Collection[int], steps: int) -> None:
    """JobError when sampling would visit timesteps at which an inversion of so many steps keeps no latents."""
    missing = sorted(set(wanted) - set(inversion_timesteps(steps)))
    if missing:
        raise JobError(
            f"Sampling visits timestep {missing[-1]}, which an inversion of {steps} steps does not.",
            "Set inversion_steps to 1000 or to the value of steps.",
        )


@torch.no_grad()
def invert(
    denoise: Denoise,
    reference: Tensor,
    text: Tensor,
    schedule: NoiseSchedule,
    steps: int,
    keep: Callable[[int, Tensor], None],
    after_step: Callable[[], None],
    state: SamplerState | None = None,
) -> None:
    """Hands the latents [1, C, F, h, w] that belong to each timestep to keep(timestep, latents), noise rising.

    reference: clean latents; text [1, L, C]: the inversion prompt alone, without classifier-free guidance;
    state: of the steps that are done already, which are not made again; it is kept up to
    date. arXiv:2406.05338 v1 to v3; `inversion_latents.T` in v1_*.safetensors.
    """
    state = SamplerState() if state is None else state
    timesteps, stride = inversion_timesteps(steps, schedule.train_timesteps), schedule.train_timesteps // steps
    z = state.get("latents", reference)
    for t in timesteps[state.done :]:
        before = min(t - stride, schedule.train_timesteps - 1)
        estimate = schedule.estimate(z, denoise(z, t, text), before)
        z = schedule.signal(t) * estimate.clean + schedule.noise(t) * estimate.noise
        keep(t, z)
        state["latents"], state["steps"] = z, torch.tensor(state.done + 1)
        z = state["latents"]
        after_step()
