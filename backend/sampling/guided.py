"""The sampler of MotionClone: any solver, with classifier-free guidance and a motion score."""

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

# predict(latents [1, C, F, h, w], step) -> the model's prediction at step.timestep, of the same shape.
Predict = Callable[[Tensor, Step], Tensor]
# guidance(latents, step) -> the prediction for the positive prompt, d loss / d latents, the loss.
Guidance = Callable[[Tensor, Step], tuple[Tensor, Tensor, float]]


@dataclass(frozen=True)
class GuidanceOptions:
    """How strongly the prompt and the motion guide. Each field is the setting of the same name (job_folder.settings),
    except for motion_weight, which is multiplied by motion_strength, and score_clamp, where None is no limit."""

    cfg_scale: float
    cfg_form: str
    motion_weight: float
    score_form: str
    mean_shift: bool = True
    score_clamp: float | None = None
    reuse_gradient: int = 1
    reuse_negative: int = 1
    region: Tensor | None = None  # [1, 1, F, h, w]: the weight of the score in each latent cell

    @property
    def needs_negative(self) -> bool:
        """Whether the prediction for the negative prompt has any effect."""
        return self.cfg_scale != (0.0 if self.cfg_form == "paper" else 1.0)


@dataclass(frozen=True)
class Predictors:
    """The model's predictions for the negative prompt, for the positive prompt, and for both in one batch."""

    negative: Predict
    positive: Predict
    pair: Callable[[Tensor, Step], tuple[Tensor, Tensor]]


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
    """Denoises `latents` [1, C, F, h, w], float32 noise, over `steps` and returns the clean latents.

    Guided noise prediction as in MotionClone, arXiv:2406.05338v4, section "Preliminaries", following Dhariwal & Nichol,
    arXiv:2105.05233, algorithm 2. As in the official code (tests/reference/v2_*.safetensors) the score changes only the
    direction of the step; the clean estimate stays unguided.

    after_step(step, latents, score, loss): called after each step. The score is what was subtracted from the noise, the
    loss is not weighted. Both are None in unguided steps; the loss also where a gradient is reused.
    solver: DDIM, as published, if not given.
    state: kept up to date with all that later steps need, and with the estimated `clean` latents for previews. Steps
    that it already holds are skipped.
    Raises NotFinite if the latents are no longer finite.
    """
    state = SamplerState() if state is None else state
    z, solve = state.get("latents", latents), solver or ddim(schedule)
    for step in steps[state.done :]:
        t, guided = step.timestep, guidance is not None and step.ramp > 0
        if step.starts_refining:
            z = schedule.signal(t) * z + schedule.noise(t) * latents
        negative, positive, loss = _predicted(z, step, options, predict, guidance, state)
        estimate = schedule.estimate(z, combine(negative, positive, options), t)
        noise = schedule.noise(t)
        score = _score(state["gradient"], estimate.noise, noise, step.ramp, options) if guided else None
        state["clean"] = estimate.clean
        z = solve(z, estimate, step)
        if score is not None:  # the solver used the unguided estimate; the score changes only the direction
            z = z - schedule.noise(step.next_timestep) * score
        _check_finite(z, step)
        state["latents"], state["steps"] = z, torch.tensor(step.index + 1)
        z = state["latents"]
        after_step(step, z, score, loss)
    return z


def _predicted(
    z: Tensor, step: Step, options: GuidanceOptions, predict: Predictors, guidance: Guidance | None, state: SamplerState
) -> tuple[Tensor, Tensor, float | None]:
    """Returns the predictions for the negative and the positive prompt, and the loss if a gradient was computed.

    What later steps may reuse is kept in `state`: the gradient, and as `pull` the difference that the negative prompt
    makes to the prediction.
    """
    loss, eps_u = None, None
    plain = guidance is None or step.refining
    due = plain or "pull" not in state or step.index % options.reuse_negative == 0
    due = due and options.needs_negative
    if guidance and step.ramp > 0 and ("gradient" not in state or step.index % options.reuse_gradient == 0):
        eps_c, state["gradient"], loss = guidance(z, step)
        eps_u = predict.negative(z, step) if due else None
    elif due:
        eps_u, eps_c = predict.pair(z, step)
    else:
        eps_c = predict.positive(z, step)
    if eps_u is None:
        return eps_c + state["pull"] if "pull" in state else eps_c, eps_c, loss
    if not plain:  # plain generation predicts for both prompts in every step
        state["pull"] = eps_u - eps_c
    return eps_u, eps_c, loss


def combine(eps_u: Tensor, eps_c: Tensor, options: GuidanceOptions) -> Tensor:
    """Classifier-free guidance (Ho & Salimans, arXiv:2207.12598, eq. 6) of two predictions of the same shape.

    eps_u, eps_c: for the negative and for the positive prompt. cfg_form "paper" is eq. 6; the scale of "standard", the
    usual one, is larger by one for the same result. Velocities combine in the same way as noise predictions.
    """
    base = eps_c if options.cfg_form == "paper" else eps_u
    return base + options.cfg_scale * (eps_c - eps_u)


def _score(gradient: Tensor, eps: Tensor, noise: float, ramp: float, options: GuidanceOptions) -> Tensor:
    """Returns the score, [1, C, F, h, w] like the gradient: what is subtracted from the predicted noise `eps`.

    noise: the schedule's noise(t), such as sqrt(1 - alpha_bar). score_form "raw" is as published (arXiv:2406.05338v4);
    with "relative" the weight is the ratio of the norms of score and predicted noise.
    """
    weight, gradient = options.motion_weight * ramp, _limited(gradient, ramp, options)
    if options.region is not None:
        gradient, eps = gradient * options.region, eps * options.region
    if options.score_form == "relative":
        return gradient * (weight * eps.norm() / gradient.norm().clamp(min=1e-20))
    return noise * weight * gradient


def _limited(gradient: Tensor, ramp: float, options: GuidanceOptions) -> Tensor:
    """Returns the gradient without what `options` exclude from it."""
    if not options.mean_shift:
        # The loss also falls when whole frames change color. Removing the mean of each frame prevents that.
        gradient = gradient - gradient.mean((-2, -1), keepdim=True)
    if options.score_clamp is not None:
        gradient = (ramp * gradient).clamp(-options.score_clamp, options.score_clamp) / ramp
    return gradient


def context_gradient(gradient: Tensor, ramp: float, options: GuidanceOptions) -> Tensor:
    """Returns the gradient of one context as it counts in the average over contexts.

    The weight of score_form "relative" is a part of the predicted noise, so each context's gradient has norm 1.
    """
    if options.score_form != "relative":
        return gradient
    gradient = _limited(gradient, ramp, options)
    return gradient / gradient.norm().clamp(min=1e-20)


def _check_finite(z: Tensor, step: Step) -> None:
    if not torch.isfinite(z).all():
        raise NotFinite(
            "Sampling produced invalid numbers (NaN) at step {index}.",
            "Lower motion_weight or cfg_scale, or set precision to float32.",
        ).about(index=step.index + 1)
