"""Noise schedules: how much noise the latents of each timestep hold, and what a model's prediction says about them.

Noise prediction and flow matching are two parametrizations of one estimate: which part of the latents is clean, and
which part is noise. The code outside this module works with that estimate and needs no parametrization.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from .schedule import lcm_timesteps, uneven_timesteps


@dataclass(frozen=True)
class Estimate:
    """The clean latents and the noise that a prediction implies: latents = signal(t) * clean + noise(t) * noise."""

    clean: Tensor
    noise: Tensor


class NoiseSchedule(Protocol):
    """Noisy latents at timestep t are signal(t) * clean + noise(t) * e, with Gaussian noise e of standard deviation 1.

    train_timesteps: timesteps run from about `train_timesteps`, pure noise, down to 0; below 0 latents are clean.
    samplers: the values of the setting `sampler` that the schedule supports.
    """

    train_timesteps: int
    samplers: tuple[str, ...]

    def signal(self, timestep: float) -> float: ...

    def noise(self, timestep: float) -> float: ...

    def estimate(self, latents: Tensor, prediction: Tensor, timestep: float) -> Estimate: ...

    def timesteps(self, sampler: str, steps: int, guided_steps: int, guided_range: float) -> list[float]:
        """Returns `steps` descending timesteps, with `guided_steps` of them in the noisiest `guided_range`.

        Raises Problem if the sampler does not have that many.
        """
        ...


def refining_timesteps(schedule: NoiseSchedule, sampler: str, steps: int, strength: float) -> list[float]:
    """Returns `steps` descending timesteps that begin where the share `strength` of the noise schedule is left.

    Raises Problem if the sampler does not have that many.
    """
    return schedule.timesteps(sampler, steps + 1, 1, 1 - strength)[1:]


class VariancePreserving:
    """The schedule of models that predict noise, such as Stable Diffusion 1.5 (Ho et al., arXiv:2006.11239, eq. 4)."""

    samplers = ("ddim", "dpm++2m", "euler", "lcm")

    def __init__(self, alphas: Tensor):
        """alphas: the cumulative products of 1 - beta, [train_timesteps]."""
        self.alphas, self.train_timesteps = alphas, len(alphas)

    def signal(self, timestep: float) -> float:
        return self._alpha(timestep) ** 0.5

    def noise(self, timestep: float) -> float:
        return (1 - self._alpha(timestep)) ** 0.5

    def estimate(self, latents: Tensor, prediction: Tensor, timestep: float) -> Estimate:
        return Estimate((latents - self.noise(timestep) * prediction) / self.signal(timestep), prediction)

    def timesteps(self, sampler: str, steps: int, guided_steps: int, guided_range: float) -> list[float]:
        if sampler == "lcm":
            return lcm_timesteps(steps, guided_steps, guided_range, self.train_timesteps)
        if sampler == "ddim":
            return uneven_timesteps(steps, guided_steps, guided_range, self.train_timesteps)
        # A step from timestep 0 changes almost nothing. Only the published sampler makes it.
        return uneven_timesteps(steps + 1, guided_steps, guided_range, self.train_timesteps)[:-1]

    def _alpha(self, timestep: float) -> float:
        return float(self.alphas[int(timestep)]) if timestep >= 0 else 1.0


class FlowMatching:
    """The schedule of models that predict velocity, noise - clean, along straight paths.

    Flow matching (Lipman et al., arXiv:2210.02747); rectified flow (Liu et al., arXiv:2209.03003).
    """

    samplers = ("ddim", "euler", "dpm++2m")

    def __init__(self, shift: float = 1.0, train_timesteps: int = 1000):
        """shift: above 1 moves timesteps toward noise (Esser et al., arXiv:2403.03206, eq. 23)."""
        self.shift, self.train_timesteps = shift, train_timesteps

    def signal(self, timestep: float) -> float:
        return 1 - self.noise(timestep)

    def noise(self, timestep: float) -> float:
        return max(0.0, timestep) / self.train_timesteps

    def estimate(self, latents: Tensor, prediction: Tensor, timestep: float) -> Estimate:
        return Estimate(latents - self.noise(timestep) * prediction, latents + self.signal(timestep) * prediction)

    def timesteps(self, sampler: str, steps: int, guided_steps: int, guided_range: float) -> list[float]:
        border = 1 - guided_range if guided_steps else 1.0
        guided = np.linspace(1, border, guided_steps, endpoint=False)
        even = np.concatenate([guided, np.linspace(border, 0, steps - guided_steps, endpoint=False)])
        return (self.train_timesteps * self.shift * even / (1 + (self.shift - 1) * even)).tolist()
