"""Generates a take: one clip of a loaded model, with or without the motion of a reference."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..backbones.base import TEMPORAL, Backbone, Denoiser
from ..job_folder.settings import Settings
from ..motion.guidance import MotionGuidance
from ..motion.inversion_guidance import InversionGuidance, Texts
from ..motion.location_masks import RegionWeights
from ..motion.representation import MotionRepresentation
from ..sampling.averaging import InContexts, in_average, shared_noise
from ..sampling.contexts import ONE_CONTEXT, Context, Contexts, contexts_of
from ..sampling.guided import Guidance, GuidanceOptions, Predictors, combine, sample
from ..sampling.noise_schedule import NoiseSchedule, refining_timesteps
from ..sampling.schedule import Step, even_timesteps, guidance_ramp, plan_refining, plan_steps
from ..sampling.solvers import ddim, make_solver
from ..sampling.state import SamplerState
from .inverted_reference import InvertedReference
from .reference_motion import ContextMotions

# Durations in passes through the network:
GRADIENT = 1.85  # of a pass with the gradient of guidance (1.57 by operations)
READING = 0.75  # of reading the reference, which ends at the last guided layer
RECOMPUTING = 0.5  # added to GRADIENT if layers are recomputed for the gradient


@dataclass(frozen=True, kw_only=True)
class Take:
    """What to generate.

    frames: more than the setting context_length are generated in contexts. size: (H, W) of the frames in pixels.
    negative, positive: the embeddings [1, L, C] of both prompts; [1, F, L, C] for one per frame. controls: from
    Backbone.load_controls. subject: how much of each latent cell [F, h, w] the subject of the reference covers, from 0
    to 1; None without a mask.
    """

    frames: int
    size: tuple[int, int]
    seed: int
    settings: Settings
    negative: Tensor
    positive: Tensor
    controls: tuple[Any, ...] = ()
    subject: Tensor | None = None

    @property
    def regions(self) -> RegionWeights | None:
        """Where guidance acts; None without a mask: everywhere alike."""
        s = self.settings
        return None if self.subject is None else RegionWeights(self.subject, s.subject_strength, s.background_strength)

    def part(self, context: Context) -> Take:
        """Returns the take of some of the frames; the controls stay those of all frames."""
        subject = None if self.subject is None else self.subject[list(context)]
        positive = self.positive[:, list(context)] if self.positive.ndim == 4 else self.positive
        return replace(self, frames=len(context), subject=subject, positive=positive)


Motion = MotionRepresentation | InvertedReference | ContextMotions


def generate(
    model: Backbone,
    take: Take,
    motion: Motion | None,
    after_step: Callable[[], None],
    state: SamplerState | None = None,
    check: Callable[[], None] = lambda: None,
) -> Tensor:
    """Generates a take and returns its clean latents [1, C, F, h, w].

    motion: None generates without guidance. after_step: called after each denoising step; it may raise Cancelled.
    state: the state of the same take after earlier steps, which are skipped; it is kept up to date. check: called
    before each context of a take that has several; it may raise Cancelled.
    """
    s, regions, state = take.settings, take.regions, SamplerState() if state is None else state
    steps, options = denoising_steps(s, model.schedule), _guidance_options(s, regions)
    generator = seeded_generator(take.seed)
    noise = initial_noise(model, take, generator)
    guided = motion is not None and s.is_guided and (regions is None or regions.active)
    if (contexts := contexts_of(s, take.frames)).several:
        options = in_average(options, noise.device)
        spread = InContexts(contexts, model.device, check)
        predict, guide = _in_contexts(model, take, motion if guided else None, options, state, spread)
    else:
        denoise = model.denoiser(take.controls)
        predict = predictors(denoise, take.negative, take.positive)
        guide = _guidance(model, take, motion, denoise, options, state) if guided else None
    return sample(
        noise,
        steps,
        model.schedule,
        options,
        predict,
        guide,
        lambda *_: after_step(),
        make_solver(s.sampler, steps, model.schedule, generator, state),
        state,
    )


def seeded_generator(seed: int) -> torch.Generator:
    """Returns a CPU generator of this seed. torch uses only 32 bits, so larger seeds are hashed to 32 bits."""
    if not -(2**31) <= seed < 2**32:
        seed = int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:4])
    return torch.Generator().manual_seed(seed)


def predictors(denoise: Denoiser, negative: Tensor, positive: Tensor) -> Predictors:
    """Returns the predictors of a model for these embeddings [1, L, C]."""
    return Predictors(
        negative=lambda z, step: denoise(z, step.timestep, negative),
        positive=lambda z, step: denoise(z, step.timestep, positive),
        pair=lambda z, step: denoise.pair(z, step.timestep, negative, positive),
    )


def _guidance_options(s: Settings, regions: RegionWeights | None = None) -> GuidanceOptions:
    return GuidanceOptions(
        s.cfg_scale,
        s.cfg_form,
        s.guidance_weight,
        s.score_form,
        s.mean_shift,
        s.score_clamp or None,
        s.reuse_gradient,
        s.reuse_negative,
        regions.latent_weights if regions else None,
    )


def denoising_steps(s: Settings, schedule: NoiseSchedule) -> list[Step]:
    """Returns the denoising steps.

    In the inversion method they are evenly spaced, and cool_down_steps ends the motion term instead of the ramp.
    """
    steps = _first_pass(s, schedule)
    if s.refine:
        steps += plan_refining(refining_timesteps(schedule, s.sampler, s.refine_steps, s.refine), len(steps))
    return steps


def _first_pass(s: Settings, schedule: NoiseSchedule) -> list[Step]:
    if s.method == "inversion":
        timesteps = even_timesteps(s.steps, schedule.train_timesteps)
        return plan_steps(timesteps, s.guided_steps, s.warm_up_steps, 0, schedule.train_timesteps // s.steps)
    timesteps = schedule.timesteps(s.sampler, s.steps, s.guided_steps, s.guided_range)
    return plan_steps(timesteps, s.guided_steps, s.warm_up_steps, s.cool_down_steps)


def step_costs(s: Settings, recompute: bool = False, contexts: Contexts = ONE_CONTEXT) -> list[float]:
    """Returns the approximate duration of each denoising step, in passes of one context through the network.

    recompute: whether layers are recomputed for the gradient.
    """
    negative = 1.0 if _guidance_options(s).needs_negative else 0.0
    gradient = GRADIENT + (RECOMPUTING if recompute else 0.0)
    if s.method == "inversion":  # each guided step reads the reference and may advance the unguided trajectory
        gradient += READING + (2 if any(s.semantic_weights) else 0)

    cool_down = 0 if s.method == "inversion" else s.cool_down_steps

    def cost(step: int) -> float:
        guided = s.is_guided and guidance_ramp(step, s.guided_steps, s.warm_up_steps, cool_down) > 0
        positive = gradient if guided and step % s.reuse_gradient == 0 else 1
        return positive + (0 if s.is_guided and step % s.reuse_negative else negative)

    refining = [1 + negative] * s.refine_steps if s.refine else []
    costs = [cost(step) for step in range(s.steps)] + refining
    return [one * len(contexts.at(step)) for step, one in enumerate(costs)]


def _in_contexts(
    model: Backbone, take: Take, motion: Any, options: GuidanceOptions, state: SamplerState, spread: InContexts
) -> tuple[Predictors, Guidance | None]:
    """Returns predictors and guidance (None without motion) of a take that is longer than one context. Each context
    sees only its own part of the motion, the controls and the mask."""

    def denoiser(context: Context) -> Denoiser:
        return model.denoiser(take.controls, context)

    def guide(context: Context, own: SamplerState) -> Guidance:
        return _guidance(model, take.part(context), motion.part(context), denoiser(context), options, own)

    predict = spread.predictors(lambda c: predictors(denoiser(c), take.negative, take.part(c).positive))
    return predict, spread.guidance(guide, options, state) if motion is not None else None


def _guidance(
    model: Backbone, take: Take, motion: Motion, denoise: Denoiser, options: GuidanceOptions, state: SamplerState
) -> Guidance:
    s = take.settings
    if isinstance(motion, MotionRepresentation):
        weights = {
            layer: weight
            for block, weight in zip(s.guidance_blocks, s.block_weights)
            for layer in model.layers(TEMPORAL, [block])
        }
        return MotionGuidance(model, denoise, take.positive, motion, weights, take.regions)
    schedule, solve = model.schedule, ddim(model.schedule)

    def advance(z: Tensor, negative: Tensor, positive: Tensor, step: Step) -> Tensor:
        return solve(z, schedule.estimate(z, combine(negative, positive, options), step.timestep), step)

    return InversionGuidance(
        model,
        denoise,
        Texts(negative=take.negative, positive=take.positive, inversion=motion.text),
        motion.terms,
        motion.latents_at,
        model.denoiser(),
        advance,
        take.regions,
        state,
    )


def initial_noise(model: Backbone, take: Take, generator: torch.Generator | None = None) -> Tensor:
    """Returns the initial noise of a take, float32, drawn on the CPU so that a seed gives the same on every device.

    With several contexts it stays on the CPU.

    generator: of the take's seed; the solver uses it afterwards.
    """
    contexts, generator = contexts_of(take.settings, take.frames), generator or seeded_generator(take.seed)
    noise = torch.randn(model.latent_shape(contexts.length, take.size), generator=generator)
    # The latents of several contexts wait in main memory, so that a long take needs no more of the device's.
    return shared_noise(noise, contexts, generator) if contexts.several else noise.to(model.device)
