"""The cost of a job's passes in floating-point operations or seconds, and which passes a job consists of."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from diffusers import MotionAdapter, UNet2DConditionModel, UNetMotionModel
from torch import Tensor

from ..backbones.animatediff.backbone import AnimateDiff, from_unet
from ..backbones.animatediff.frame_norm import normalize_each_frame
from ..backbones.animatediff.weights.modules import building_empty
from ..backbones.animatediff.weights.sd15 import UNET, animatediff_alphas
from ..backbones.base import Denoiser
from ..job.inverted_reference import inversion_steps
from ..job.take import denoising_steps
from ..job_folder.settings import Settings
from ..motion.guidance import MotionGuidance
from ..motion.inversion_guidance import InversionGuidance, Texts
from ..motion.loss_terms import LossTerms, layer_weights
from ..motion.representation import MotionRepresentation, extract_motion
from ..sampling.guided import GuidanceOptions, Predictors, sample
from ..sampling.noise_schedule import VariancePreserving
from ..sampling.schedule import Step

SD15_LATENTS, SD15_TEXT = (1, 4, 16, 64, 64), (1, 77, 768)  # 16 frames of 512 x 512
TIMESTEP = 500


@dataclass(frozen=True)
class Costs:
    """The cost of one pass, of a pair in one batch, of a step's guidance, and of reading a motion."""

    single: float
    pair: float
    guided: float
    reading: float


@dataclass(frozen=True)
class JobCosts:
    """The cost of a job in forward passes: sampling with reading the motion, and the mean of a guided step."""

    whole: float
    guided_step: float


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def on_meta(unet: UNetMotionModel) -> UNetMotionModel:
    """The same architecture without weights, for counting operations without time or memory."""
    with building_empty():
        empty = UNetMotionModel.from_config(unet.config)
    return _prepared(empty)


def sd15_unet() -> UNetMotionModel:
    """Stable Diffusion 1.5 with AnimateDiff v3's motion modules (none in the middle block), on the meta device."""
    with building_empty():
        adapter = MotionAdapter(use_motion_mid_block=False)
        unet = UNetMotionModel.from_unet2d(UNet2DConditionModel.from_config(UNET), adapter, load_weights=False)
    return _prepared(unet)


def _prepared(unet: UNetMotionModel) -> UNetMotionModel:
    unet.eval().requires_grad_(False)
    normalize_each_frame(unet)
    return unet


def pass_costs(
    unet: UNetMotionModel,
    latents: tuple[int, ...],
    text: tuple[int, ...],
    settings: Settings,
    meter: Callable[[Callable[[], object]], float],
) -> Costs:
    """The cost of each kind of pass, measured by `meter` on latents and text of these shapes, with the code that a take
    runs."""
    z, words = (torch.randn(shape).to(unet.device) for shape in (latents, text))
    model = from_unet(unet)
    denoise = model.denoiser()

    def read():
        return extract_motion(
            model,
            denoise,
            z,
            z,
            timestep=settings.representation_timestep,
            empty_text=words,
            blocks=settings.guidance_blocks,
            top_k=settings.top_k,
            diagonal=settings.diagonal,
        )

    step = Step(0, TIMESTEP, -1, 1.0)
    with torch.no_grad():
        guide = _guidance(model, denoise, z, words, settings, read)
        return Costs(
            single=meter(lambda: denoise(z, TIMESTEP, words)),
            pair=meter(lambda: denoise.pair(z, TIMESTEP, words, words)),
            guided=meter(lambda: guide(z, step)),
            reading=meter(read),
        )


def _guidance(
    model: AnimateDiff,
    denoise: Denoiser,
    z: Tensor,
    words: Tensor,
    settings: Settings,
    read: Callable[[], MotionRepresentation],
) -> Callable[[Tensor, Step], tuple[Tensor, Tensor, float]]:
    """The guidance of the method in the settings."""
    s = settings
    if s.method != "inversion":
        return MotionGuidance(model, denoise, words, read())
    terms = LossTerms(
        motion=layer_weights(model, s.guidance_blocks, s.block_weights or [1.0] * len(s.guidance_blocks), "temp"),
        semantic=layer_weights(model, s.semantic_blocks, s.semantic_weights, s.semantic_keys),
        key_kind=s.semantic_keys,
        objects=None,
        thresholds=(0.3, 0.3),
        motion_steps=s.steps,
        subject=None,
    )
    texts = Texts(negative=words, positive=words, inversion=words)
    return InversionGuidance(model, denoise, texts, terms, lambda t: z, denoise, lambda z, *_: z)


def medians(rounds: list[Costs]) -> Costs:
    """The medians over several rounds of measurement."""
    return Costs(*(statistics.median(values) for values in zip(*(vars(one).values() for one in rounds))))


def job_costs(settings: Settings, costs: Costs) -> JobCosts:
    """The cost of a job with these settings, by running the sampler with stub functions."""
    s, spent, by_step = settings, [0.0], []
    guided = s.is_guided
    inverted = guided and s.method == "inversion"
    schedule = VariancePreserving(animatediff_alphas())
    steps = denoising_steps(replace(s, warm_up_steps=0, cool_down_steps=0), schedule)
    reuse = {"reuse_gradient": s.reuse_gradient, "reuse_negative": s.reuse_negative}
    options = GuidanceOptions(s.cfg_scale, s.cfg_form, s.guidance_weight, s.score_form, **reuse)
    z = torch.zeros(1, 1, 1, 1, 1)

    def spend(cost: float, *answer):
        spent[0] += cost
        return answer if len(answer) > 1 else z

    def after_step(step: Step, *_) -> None:
        if guided and step.ramp > 0:
            by_step.append(spent[0] - sum(by_step))

    sample(
        z,
        steps,
        schedule,
        options,
        Predictors(
            negative=lambda *_: spend(costs.single),
            positive=lambda *_: spend(costs.single),
            pair=lambda *_: spend(costs.pair, z, z),
        ),
        (lambda *_: spend(costs.guided, z, z, 0.0)) if guided else None,
        after_step,
    )
    before = inversion_steps(s) * costs.single if inverted else costs.reading
    whole = spent[0] + (before if guided else 0.0)
    return JobCosts(whole / costs.single, statistics.fmean(by_step) / costs.single if by_step else 0.0)
