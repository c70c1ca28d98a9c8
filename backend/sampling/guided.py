"""MotionClone's sampler: any solver, with classifier-free guidance and a motion score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import NotFinite
from .noise_schedule import NoiseSchedule
from .schedule import Step
from .solvers import Solver, ddim
from .state import SamplerState

# Latents [1, C, F, h, w], timestep -> what the model predicts (see noise_schedule).
Predict = Callable[[Tensor, float], Tensor]
# Latents, step -> the prediction with the positive prompt, d loss / d latents, the loss.
Guidance = Callable[[Tensor, Step], tuple[Tensor, Tensor, float]]


@dataclass(frozen=True)
class GuidanceOptions:
    """How the prompt and the motion pull: see job_folder.settings for the meaning of each."""

    cfg_scale: float
    cfg_form: str
    motion_weight: float
    score_form: str
    mean_shift: bool = True
    score_clamp: float | None = None
    reuse_gradient: int = 1
    reuse_negative: int = 1
    region: Tensor | None = None  # [1, 1, F, h, w]: how strongly the score acts in each latent cell

    @property
    def needs_negative(self) -> bool:
        """Whether the prediction with the negative prompt changes anything."""
        return self.cfg_scale != (0.0 if self.cfg_form == "paper" else 1.0)


@dataclass(frozen=True)
class Predictors:
    """With one prompt, or with the negative and the positive one from one batch."""

    negative: Predict
    positive: Predict
    pair: Callable[[Tensor, float], tuple[Tensor, Tensor]]


@torch.no_grad()
def sample(
    latents: Tensor,
    steps: Sequence[Step],
    schedule: NoiseSchedule,
    options: GuidanceOptions,
    predict: Predictors,
    guidance: Guidance | None,
    after_step: Callable[[Step, Tensor, Tensor, float | None], None],
    solver: Solver | None = None,
    state: SamplerState | None = None,
) -> Tensor:
    """Denoises `latents` [1, 4, F, h, w], float32, over `steps`; arXiv:2406.05338 v4, recorded in v2_*.safetensors.

    after_step(step, latents, score, loss) hears of each step,
    with the score as it was taken from the noise prediction and the loss before its weight; None in unguided steps, the
    loss also where a gradient is used again. solver: the paper's DDIM unless given. state: of the steps that are done
    already, which are not made again; it is kept up to date, with `latents` and, for those who look on, the `clean`
    latents as the step estimates them. JobError when the numbers are no longer finite.
    """
    state = SamplerState() if state is None else state
    z, solve = state.get("latents", latents), solver or ddim(schedule)
    for step in steps[state.done :]:
        t, guided = step.timestep, guidance is not None and step.ramp > 0
        negative, positive, loss = _predicted(z, step, options, predict, guidance, state)
        estimate = schedule.estimate(z, combine(negative, positive, options), t)
        noise = schedule.noise(t)
        score = _score(state["gradient"], estimate.noise, noise, step.ramp, options) if guided else None
        state["clean"] = estimate.clean
        z = solve(z, estimate, step)
        if score is not None:  # the solver's clean estimate is the unguided one; the score only turns its direction
            z = z - schedule.noise(step.next_timestep) * score
        _check_finite(z, step)
        state["latents"], state["steps"] = z, torch.tensor(step.index + 1)
        z = state["latents"]
        after_step(step, z, score, loss)
    return z


def _predicted(
    z: Tensor, step: Step, options: GuidanceOptions, predict: Predictors, guidance: Guidance | None, state: SamplerState
) -> tuple[Tensor, Tensor, float | None]:
    """The predictions with the negative and with the positive prompt, and the loss where its gradient was made.

    What steps may use again, the gradient and the `pull` of the negative prompt, is left in `state`.
    """
    t, loss, eps_u = step.timestep, None, None
    due = guidance is None or "pull" not in state or step.index % options.reuse_negative == 0
    due = due and options.needs_negative
    if guidance and step.ramp > 0 and ("gradient" not in state or step.index % options.reuse_gradient == 0):
        eps_c, state["gradient"], loss = guidance(z, step)
        eps_u = predict.negative(z, t) if due else None
    elif due:
        eps_u, eps_c = predict.pair(z, t)
    else:
        eps_c = predict.positive(z, t)
    if eps_u is None:
        return eps_c + state["pull"] if "pull" in state else eps_c, eps_c, loss
    if guidance:  # plain generation asks in every step
        state["pull"] = eps_u - eps_c
    return eps_u, eps_c, loss


def combine(eps_u: Tensor, eps_c: Tensor, options: GuidanceOptions) -> Tensor:
    """Classifier-free guidance (Ho & Salimans, arXiv:2207.12598, eq. 6): one prediction of those with the negative and
    with the positive prompt. Both forms of prediction are linear in it."""
    base = eps_c if options.cfg_form == "paper" else eps_u
    return base + options.cfg_scale * (eps_c - eps_u)


def _score(gradient: Tensor, eps: Tensor, noise: float, ramp: float, options: GuidanceOptions) -> Tensor:
    """What guidance adds to the noise `eps`, in one of its forms; all of shape [1, C, F, h, w]; noise: its share."""
    weight = options.motion_weight * ramp
    if not options.mean_shift:
        # The loss also falls when frames are tinted apart instead of moving things; that way is closed here.
        gradient = gradient - gradient.mean((-2, -1), keepdim=True)
    if options.score_clamp is not None:
        gradient = (ramp * gradient).clamp(-options.score_clamp, options.score_clamp) / ramp
    if options.region is not None:
        gradient, eps = gradient * options.region, eps * options.region
    if options.score_form == "relative":
        return gradient * (weight * eps.norm() / gradient.norm().clamp(min=1e-20))
    return noise * weight * gradient


def _check_finite(z: Tensor, step: Step) -> None:
    if not torch.isfinite(z).all():
        raise NotFinite(
            f"Sampling produced invalid numbers (NaN) at step {step.index + 1}.",
            "Lower motion_weight or cfg_scale, or set precision to float32.",
        )
