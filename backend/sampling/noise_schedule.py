"""How much noise the latents of each timestep hold, and what a model's prediction says of them.

A model that predicts noise and one trained by flow matching answer the same question: what is clean in these latents,
and what is noise? Past this module nobody needs to know which of the two it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from .schedule import lcm_timesteps, uneven_timesteps


@dataclass(frozen=True)
class Estimate:
    """What a prediction takes latents for; both of their shape: latents = signal * clean + share of noise * noise."""

    clean: Tensor
    noise: Tensor


class NoiseSchedule(Protocol):
    """Latents at `timestep` are signal(timestep) * clean + noise(timestep) * Gaussian noise of deviation 1.

    levels: timesteps go from about `levels`, pure noise, down to 0; below 0 the picture is clean. samplers: names that
    the setting `sampler` may have.
    """

    train_timesteps: int
    samplers: tuple[str, ...]

    def signal(self, timestep: float) -> float: ...

    def noise(self, timestep: float) -> float: ...

    def estimate(self, latents: Tensor, prediction: Tensor, timestep: float) -> Estimate: ...

    def timesteps(self, sampler: str, steps: int, guided_steps: int, guided_range: float) -> list[float]:
        """Descending; `guided_steps` of them over the noisiest `guided_range` of the schedule. JobError when the
        sampler cannot take so many."""
        ...


class VariancePreserving:
    """Of models that predict the noise (DDPM, Stable Diffusion 1.5). alphas [levels]: cumulative products of 1 - beta,
    Ho et al., arXiv:2006.11239, eq. 4."""

    samplers = ("ddim", "dpm++2m", "euler", "lcm")

    def __init__(self, alphas: Tensor):
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
        # From timestep 0 a step changes next to nothing; only the published sampler makes it.
        return uneven_timesteps(steps + 1, guided_steps, guided_range, self.train_timesteps)[:-1]

    def _alpha(self, timestep: float) -> float:
        return float(self.alphas[int(timestep)]) if timestep >= 0 else 1.0


class FlowMatching:
    """Of models that predict the velocity from clean to noise on a straight way (Lipman et al., arXiv:2210.02747; as
    rectified flow, arXiv:2209.03003). shift: above 1 more of the steps are noisy (arXiv:2403.03206, eq. 23)."""

    samplers = ("ddim", "euler", "dpm++2m")

    def __init__(self, shift: float = 1.0, train_timesteps: int = 1000):
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
        shares = np.concatenate([guided, np.linspace(border, 0, steps - guided_steps, endpoint=False)])
        return (self.train_timesteps * self.shift * shares / (1 + (self.shift - 1) * shares)).tolist()
