"""Solvers: how a step leads from one noise level to the next, given the noise prediction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, EulerDiscreteScheduler, LCMScheduler
from torch import Tensor

from ..errors import JobError
from .memory import Memory
from .schedule import LCM_LEVELS, Step

# Latents [1, 4, F, h, w] at step.timestep, the noise prediction, the step -> latents at step.next_timestep.
# Latents are in the variance-preserving form sqrt(alpha) clean + sqrt(1 - alpha) noise on both sides, whatever a solver
# uses inside. A solver may remember: it is made for one take and called once for each step, in order; what the next
# call needs of this one is in the take's memory.
Solver = Callable[[Tensor, Tensor, Step], Tensor]


def alpha_at(alphas: Tensor, timestep: int) -> float:
    """Cumulative alpha of `timestep`; beyond the last timestep, below 0, the picture is clean."""
    return float(alphas[timestep]) if timestep >= 0 else 1.0


def clean_estimate(z: Tensor, eps: Tensor, alpha: float) -> Tensor:
    """The clean latents if `eps` is the noise in `z`; alpha: the cumulative one of its timestep."""
    return (z - (1 - alpha) ** 0.5 * eps) / alpha**0.5


def ddim(alphas: Tensor) -> Solver:
    """The published sampler; alphas [1000]: cumulative. The next timestep may be any."""

    def solve(z: Tensor, eps: Tensor, step: Step) -> Tensor:
        alpha, alpha_next = alpha_at(alphas, step.timestep), alpha_at(alphas, step.next_timestep)
        return alpha_next**0.5 * clean_estimate(z, eps, alpha) + (1 - alpha_next) ** 0.5 * eps

    return solve


def make_solver(
    name: str, steps: Sequence[Step], alphas: Tensor, generator: torch.Generator, memory: Memory | None = None
) -> Solver:
    """The solver called `name` in job_folder.settings for these very steps; generator (CPU): what LCM draws noise from.

    memory: of the steps that are done already; the solver goes on from there and keeps it up to date. JobError when the
    solver cannot take these steps.
    """
    memory = Memory() if memory is None else memory
    if name == "ddim":
        return ddim(alphas)
    timesteps = [step.timestep for step in steps]
    _check(name, steps)
    scheduler = _SCHEDULERS[name](_betas(alphas))
    scheduler.set_timesteps(timesteps=timesteps)
    scheduler.set_begin_index(memory.done)
    if name == "euler":
        return _euler(scheduler, alphas)
    if name == "dpm++2m":
        return _multistep(scheduler, memory)
    return _consistency(scheduler, generator, memory)


_SCHEDULERS = {
    "dpm++2m": lambda betas: DPMSolverMultistepScheduler(
        trained_betas=betas, algorithm_type="dpmsolver++", solver_order=2
    ),
    "euler": lambda betas: EulerDiscreteScheduler(trained_betas=betas),
    "lcm": lambda betas: LCMScheduler(trained_betas=betas, original_inference_steps=LCM_LEVELS),
}


def _multistep(scheduler: DPMSolverMultistepScheduler, memory: Memory) -> Solver:
    """It draws a line through the last two clean estimates, which holds only while nobody bends the path."""
    if "solver.clean" in memory:
        scheduler.model_outputs[-1], scheduler.lower_order_nums = memory["solver.clean"], 1

    def solve(z: Tensor, eps: Tensor, step: Step) -> Tensor:
        if "solver.latents" not in memory or not torch.equal(z, memory["solver.latents"]):
            # The score has moved the latents: the line would carry its push on, and tear the picture.
            scheduler.lower_order_nums = 0
        memory["solver.latents"] = scheduler.step(eps, step.timestep, z, return_dict=False)[0]
        memory["solver.clean"] = scheduler.model_outputs[-1]
        return memory["solver.latents"]

    return solve


def _consistency(scheduler: LCMScheduler, generator: torch.Generator, memory: Memory) -> Solver:
    """It adds new noise in each step."""
    if "solver.draws" in memory:
        generator.set_state(memory["solver.draws"])

    def solve(z: Tensor, eps: Tensor, step: Step) -> Tensor:
        z = scheduler.step(eps, step.timestep, z, generator=generator, return_dict=False)[0]
        memory["solver.draws"] = generator.get_state()
        return z

    return solve


def _euler(scheduler: EulerDiscreteScheduler, alphas: Tensor) -> Solver:
    """Euler's method works on clean + sigma noise, which is the variance-preserving form over sqrt(alpha)."""
    scheduler.is_scale_input_called = True  # our latents are scaled already; diffusers would warn

    def solve(z: Tensor, eps: Tensor, step: Step) -> Tensor:
        alpha, alpha_next = alpha_at(alphas, step.timestep), alpha_at(alphas, step.next_timestep)
        moved = scheduler.step(eps, scheduler.timesteps[step.index], z / alpha**0.5, return_dict=False)[0]
        return moved * alpha_next**0.5

    return solve


def _betas(alphas: Tensor) -> np.ndarray:
    """The noise schedule as diffusers' schedulers take it, from its cumulative alphas [1000]."""
    cumulative = alphas.cpu().double().numpy()
    return 1 - cumulative / np.concatenate([[1.0], cumulative[:-1]])


def _check(name: str, steps: Sequence[Step]) -> None:
    """diffusers' schedulers lead from each timestep to the next of their list, and cannot stand still."""
    following = [*[step.timestep for step in steps[1:]], -1]
    if any(step.next_timestep != t for step, t in zip(steps, following)):
        raise JobError(f"The sampler {name} cannot run the inversion method.", "Set sampler to ddim.")
    if any(step.timestep <= step.next_timestep for step in steps):
        raise JobError(
            f"The {len(steps)} steps visit the same timestep twice, which the sampler {name} cannot.",
            "Lower steps or guided_steps, or set sampler to ddim.",
        )
