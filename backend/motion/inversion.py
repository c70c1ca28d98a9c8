"""DDIM inversion of the reference clip: the noisy latents from which sampling would reconstruct it."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import torch
from torch import Tensor

from ..backbones.base import Denoise
from ..job_folder.problem import Problem
from ..sampling.noise_schedule import NoiseSchedule
from ..sampling.state import SamplerState


def inversion_timesteps(steps: int, train_timesteps: int = 1000) -> list[int]:
    """Returns `steps` ascending timesteps, evenly spaced from 0 to train_timesteps - 1.

    As in the official code of MotionClone v1 to v3 (`inversion_timesteps` in tests/reference/v1_*.safetensors).
    """
    return np.linspace(0, train_timesteps - 1, steps).round().astype(int).tolist()


def check_timesteps(wanted: Collection[int], steps: int) -> None:
    """Raises Problem if sampling visits a timestep that an inversion of `steps` steps does not visit."""
    missing = sorted(set(wanted) - set(inversion_timesteps(steps)))
    if missing:
        raise Problem(
            "Sampling needs timestep {missing}, which an inversion of {steps} steps does not visit.",
            "Set inversion_steps to 1000 or to the value of steps.",
        ).about(missing=missing[-1], steps=steps)


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
    """Inverts `reference` and passes the latents of each timestep to keep(timestep, latents), from low to high noise.

    DDIM inversion: the deterministic DDIM step (Song et al., arXiv:2010.02502, eq. 12 with sigma 0) in the direction of
    rising noise, as in the official code of MotionClone v1 to v3 (arXiv:2406.05338v3; `inversion_latents.T` in
    tests/reference/v1_*.safetensors). There is no classifier-free guidance.

    reference, latents: [1, C, F, h, w]. text: the embedding [1, L, C] of the inversion prompt. after_step: called after
    each step, once `state` is up to date. state: of an earlier, interrupted call; its steps are skipped.
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
