"""Solvers: the step from one noise level to the next, given the estimated clean latents and noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..job_folder.problem import Problem
from .noise_schedule import Estimate, NoiseSchedule
from .schedule import Step
from .state import SamplerState

# solver(latents at step.timestep, their estimate, step) -> latents at step.next_timestep, [1, C, F, h, w] both. Latents
# going in and out are scaled as the noise schedule says, whatever a solver uses inside. A solver is made for one take
# and called once for each step, in order. What it must remember between calls is in the take's SamplerState.
Solver = Callable[[Tensor, Estimate, Step], Tensor]
LCM_SIGMA, LCM_TIME_SCALE = 0.5, 10.0  # constants of the boundary condition in the distillation of LCMs


def ddim(schedule: NoiseSchedule) -> Solver:
    """Returns the deterministic DDIM solver (Song et al., arXiv:2010.02502, eq. 12 with sigma 0).

    With flow matching it is Euler's method. The next timestep of a step may be any timestep.
    """

    def solve(z: Tensor, estimate: Estimate, step: Step) -> Tensor:
        t = step.next_timestep
        return schedule.signal(t) * estimate.clean + schedule.noise(t) * estimate.noise

    return solve


def make_solver(
    name: str,
    steps: Sequence[Step],
    schedule: NoiseSchedule,
    generator: torch.Generator,
    state: SamplerState | None = None,
) -> Solver:
    """Returns the solver of this name (the setting `sampler`) for these steps.

    generator: a CPU generator, from which LCM draws noise. state: the state of the take, from which the solver
    continues and which it keeps up to date. Raises Problem if the schedule does not support the solver, or the solver
    these steps.
    """
    state = SamplerState() if state is None else state
    if name not in schedule.samplers:
        known = " or ".join(schedule.samplers)
        raise Problem("This model does not support the sampler {name}.", "Set sampler to {known}.").about(
            name=name, known=known
        )
    if name == "ddim":
        return ddim(schedule)
    _check(name, steps)
    if name == "dpm++2m":
        return _multistep(steps, schedule, state)
    if name == "lcm":
        return _consistency(schedule, generator, state)
    return ddim(schedule)  # Euler (Karras et al., arXiv:2206.00364) makes the same step; only its timesteps differ


def _multistep(steps: Sequence[Step], schedule: NoiseSchedule, state: SamplerState) -> Solver:
    """DPM-Solver++ 2M (Lu et al., arXiv:2211.01095, algorithm 2), which extrapolates the last two clean estimates.

    After a guided step it makes a first-order step instead: the score has moved the latents off the solver's path, and
    extrapolation would amplify that and distort the picture.
    """

    def solve(z: Tensor, estimate: Estimate, step: Step) -> Tensor:
        now, following = step.timestep, step.next_timestep
        straight = "solver.latents" in state and torch.equal(z, state["solver.latents"])
        clean = estimate.clean
        if straight and schedule.noise(following) > 0:
            before = steps[step.index - 1].timestep
            ratio = (_log_ratio(schedule, now) - _log_ratio(schedule, before)) / (
                _log_ratio(schedule, following) - _log_ratio(schedule, now)
            )
            clean = clean + (clean - state["solver.clean"]) / (2 * ratio)
        shrunk = schedule.noise(following) / schedule.noise(now)
        state["solver.latents"] = shrunk * z + (schedule.signal(following) - shrunk * schedule.signal(now)) * clean
        state["solver.clean"] = estimate.clean
        return state["solver.latents"]

    return solve


def _log_ratio(schedule: NoiseSchedule, timestep: float) -> float:
    """lambda = log(signal / noise), half the log signal-to-noise ratio."""
    signal = schedule.signal(timestep)
    return math.log(signal / schedule.noise(timestep)) if signal > 0 else -math.inf


def _consistency(schedule: NoiseSchedule, generator: torch.Generator, state: SamplerState) -> Solver:
    """Sampling of latent consistency models (Luo et al., arXiv:2310.04378, algorithm 3).

    Each step goes to the clean estimate, weighted by the boundary condition, and adds new noise.
    """
    if "solver.draws" in state:
        generator.set_state(state["solver.draws"])

    def solve(z: Tensor, estimate: Estimate, step: Step) -> Tensor:
        time = step.timestep * LCM_TIME_SCALE
        kept, taken = LCM_SIGMA**2 / (time**2 + LCM_SIGMA**2), time / (time**2 + LCM_SIGMA**2) ** 0.5
        clean = taken * estimate.clean + kept * z
        if step.next_timestep < 0:
            return clean
        noise = torch.randn(z.shape, generator=generator).to(z)
        state["solver.draws"] = generator.get_state()
        return schedule.signal(step.next_timestep) * clean + schedule.noise(step.next_timestep) * noise

    return solve


def _check(name: str, steps: Sequence[Step]) -> None:
    """Raises Problem for steps that only DDIM supports: a stride of its own, or the same timestep twice."""
    ends = [-1 if step.starts_refining else step.timestep for step in steps[1:]]
    if any(step.next_timestep != t for step, t in zip(steps, [*ends, -1])):
        raise Problem("The sampler {name} does not support the inversion method.", "Set sampler to ddim.").about(
            name=name
        )
    if any(step.timestep <= step.next_timestep for step in steps):
        raise Problem(
            "The {count} steps visit a timestep twice, which the sampler {name} does not support.",
            "Lower steps or guided_steps, or set sampler to ddim.",
        ).about(count=len(steps), name=name)
