"""Solvers: how a step leads from one noise level to the next, given what is clean and what is noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from diffusers import DPMSolverMultistepScheduler, EulerDiscreteScheduler, LCMScheduler
from torch import Tensor

from ..errors import JobError
from .noise_schedule import Estimate, NoiseSchedule, VariancePreserving
from .schedule import LCM_LEVELS, Step
from .state import SamplerState

# Latents [1, C, F, h, w] at step.timestep, what they are taken for, the step -> latents at step.next_timestep. Latents
# are as the noise schedule mixes them on both sides, whatever a solver uses inside. A solver may remember: it is made
# for one take and called once for each step, in order; what the next call needs of this one is in the take's state.
Solver = Callable[[Tensor, Estimate, Step], Tensor]


def ddim(schedule: NoiseSchedule) -> Solver:
    """The published sampler (Song et al., arXiv:2010.02502, eq. 12 with sigma 0), in flow matching Euler's method. The
    next timestep may be any."""

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
    """The solver called `name` in job_folder.settings for these very steps; generator (CPU): what LCM draws noise from.

    state: of the steps that are done already; the solver goes on from there and keeps it up to date. JobError when the
    solver cannot take these steps, or the schedule not this solver.
    """
    state = SamplerState() if state is None else state
    if name not in schedule.samplers:
        raise JobError(
            f"This model cannot use the sampler {name}.", f"Set sampler to {' or '.join(schedule.samplers)}."
        )
    if name == "ddim" or not isinstance(schedule, VariancePreserving):
        return ddim(schedule)
    timesteps = [step.timestep for step in steps]
    _check(name, steps)
    scheduler = _SCHEDULERS[name](schedule.betas())
    scheduler.set_timesteps(timesteps=timesteps)
    scheduler.set_begin_index(state.done)
    if name == "euler":
        return _euler(scheduler, schedule)
    if name == "dpm++2m":
        return _multistep(scheduler, state)
    return _consistency(scheduler, generator, state)


_SCHEDULERS = {
    "dpm++2m": lambda betas: DPMSolverMultistepScheduler(
        trained_betas=betas, algorithm_type="dpmsolver++", solver_order=2
    ),
    "euler": lambda betas: EulerDiscreteScheduler(trained_betas=betas),
    "lcm": lambda betas: LCMScheduler(trained_betas=betas, original_inference_steps=LCM_LEVELS),
}


def _multistep(scheduler: DPMSolverMultistepScheduler, state: SamplerState) -> Solver:
    """It draws a line through the last two clean estimates, which holds only while nobody bends the path."""
    if "solver.clean" in state:
        scheduler.model_outputs[-1], scheduler.lower_order_nums = state["solver.clean"], 1

    def solve(z: Tensor, estimate: Estimate, step: Step) -> Tensor:
        if "solver.latents" not in state or not torch.equal(z, state["solver.latents"]):
            # The score has moved the latents: the line would carry its push on, and tear the picture.
            scheduler.lower_order_nums = 0
        state["solver.latents"] = scheduler.step(estimate.noise, step.timestep, z, return_dict=False)[0]
        state["solver.clean"] = scheduler.model_outputs[-1]
        return state["solver.latents"]

    return solve


def _consistency(scheduler: LCMScheduler, generator: torch.Generator, state: SamplerState) -> Solver:
    """It adds new noise in each step."""
    if "solver.draws" in state:
        generator.set_state(state["solver.draws"])

    def solve(z: Tensor, estimate: Estimate, step: Step) -> Tensor:
        z = scheduler.step(estimate.noise, step.timestep, z, generator=generator, return_dict=False)[0]
        state["solver.draws"] = generator.get_state()
        return z

    return solve


def _euler(scheduler: EulerDiscreteScheduler, schedule: NoiseSchedule) -> Solver:
    """Euler's method works on clean + sigma noise, which is the variance-preserving form over its signal."""
    scheduler.is_scale_input_called = True  # our latents are scaled already; diffusers would warn

    def solve(z: Tensor, estimate: Estimate, step: Step) -> Tensor:
        scaled = z / schedule.signal(step.timestep)
        moved = scheduler.step(estimate.noise, scheduler.timesteps[step.index], scaled, return_dict=False)[0]
        return moved * schedule.signal(step.next_timestep)

    return solve


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
