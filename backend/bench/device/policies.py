"""Measures the time and memory of plain and guided steps for each precision and memory policy, and whether they
agree."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...backbones.animatediff.backbone import AnimateDiff
from ...backbones.animatediff.frame_norm import normalize_all_frames, normalize_each_frame
from ...memory.device import free_unused_memory
from ...memory.policy import MARGIN, POLICIES, choose_policy, free_bytes
from ...motion.guidance import MotionGuidance
from ...motion.representation import MotionRepresentation
from ...sampling.schedule import Step
from .measuring import DEVICE, IS_CARD, gigabytes, peak, timed
from .model import GUIDED_BLOCK, TIMESTEP, Inputs, Shape, build, guidance, read_motion, short_take
from .report import Report

STEP = Step(0, TIMESTEP, TIMESTEP - 20, 1.0)
ROUNDS = 7
SEEDS = (1, 2, 4)
WORKING = torch.float16 if IS_CARD else torch.float32


@dataclass(frozen=True)
class _Exact:
    """The results in float32 with the policy that saves no memory."""

    gradient: Tensor
    predicted: Tensor


def section(report: Report, shape: Shape) -> None:
    inputs, exact = Inputs.of(shape), None
    for dtype in (torch.float32, torch.float16, torch.bfloat16) if IS_CARD else (torch.float32, torch.bfloat16):
        free_unused_memory()
        model = build(shape, dtype)
        for name in POLICIES:
            exact = _policy(report, model, shape, inputs, name, exact)
        del model


def _policy(
    report: Report, model: AnimateDiff, shape: Shape, inputs: Inputs, name: str, exact: _Exact | None
) -> _Exact | None:
    """One row: a policy in the model's precision, compared with the prediction for this device."""
    policy, free, take = POLICIES[name], free_bytes(DEVICE), short_take(model, shape, inputs)
    needs = replace(model.memory_needs(take.settings, take.frames, take.size, 0), deepest_block=GUIDED_BLOCK)
    guided_needs, plain_needs = (each.sampling(policy) for each in (needs, replace(needs, deepest_block=None)))
    with model.with_policy(policy) as spared, torch.no_grad():
        guide = guidance(spared, inputs, read_motion(spared, inputs))
        denoise = spared.denoiser()

        def guided() -> tuple[Tensor, Tensor, float]:
            return guide(inputs.latents, STEP)

        def plain() -> tuple[Tensor, Tensor]:
            return denoise.pair(inputs.latents, TIMESTEP, inputs.negative, inputs.positive)

        (predicted, gradient, loss), guided_peak, reserved = peak(guided)
        _, plain_peak, _ = peak(plain)
        guided_seconds, _ = timed(guided)
        pair_seconds, _ = timed(plain)
        single_seconds, _ = timed(lambda: denoise(inputs.latents, TIMESTEP, inputs.negative))
    exact = exact or _Exact(gradient.double().cpu(), predicted.double().cpu())
    report.add(
        "policies",
        precision=str(model.unet.dtype).removeprefix("torch."),
        policy=name,
        plain_step_s=pair_seconds,
        guided_step_s=guided_seconds + single_seconds,
        guided_step_passes=(guided_seconds + single_seconds) / single_seconds,
        guided_gb=gigabytes(guided_peak),
        predicted_gb=gigabytes(guided_needs),
        plain_gb=gigabytes(plain_peak),
        plain_predicted_gb=gigabytes(plain_needs),
        reserved_gb=gigabytes(reserved),
        within_prediction=_within(guided_peak, guided_needs) and _within(plain_peak, plain_needs),
        attention_fused=needs.shape.fused,
        auto_takes_it=choose_policy("auto", free, needs).name == name,
        finite=bool(torch.isfinite(gradient).all() and torch.isfinite(predicted).all()),
        gradient_cosine=_cosine(gradient, exact.gradient),
        prediction_error=float((predicted.double().cpu() - exact.predicted).norm() / exact.predicted.norm()),
        loss=loss,
    )
    return exact


def _within(peak_bytes: int | None, predicted: int) -> bool | None:
    """Whether the peak is within the prediction; None if the device does not report it."""
    return None if peak_bytes is None else peak_bytes <= MARGIN * predicted


def _cosine(a: Tensor, b: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(a.double().cpu().flatten(), b.flatten(), 0))


@torch.no_grad()
def against_diffusers(report: Report, shape: Shape) -> None:
    """Compares a plain step of AnimateDiffPipeline (its normalization, both prompts in one batch) with ours, in
    turns."""
    model, inputs = build(shape, WORKING), Inputs.of(shape)
    text = torch.cat([inputs.negative, inputs.positive]).to(WORKING).repeat_interleave(shape.frames, 0)
    both, ratios = torch.cat([inputs.latents] * 2).to(WORKING), []
    for _ in range(ROUNDS + 1):
        normalize_each_frame(model.unet)
        ours, _ = timed(lambda: model.denoiser().pair(inputs.latents, TIMESTEP, inputs.negative, inputs.positive), 1)
        normalize_all_frames(model.unet)
        theirs, _ = timed(lambda: model.unet(both, TIMESTEP, text, return_dict=False), 1)
        ratios.append(ours / theirs)
    report.add("diffusers", plain_step_over_diffusers=statistics.median(ratios[1:]), rounds=ROUNDS)


@torch.no_grad()
def seeds_together(report: Report, shape: Shape) -> None:
    """The time per clip when several seeds share one batch, which the product does not do."""
    model, inputs = build(shape, WORKING), Inputs.of(shape)
    motion = read_motion(model, inputs)
    for n in SEEDS:
        z = torch.randn(n, 4, *shape.clip, generator=torch.Generator().manual_seed(2)).to(DEVICE)
        texts = torch.cat([inputs.negative.repeat(n, 1, 1), inputs.positive.repeat(n, 1, 1)])
        guide = MotionGuidance(model, model.denoiser(), inputs.positive.repeat(n, 1, 1), _repeated(motion, n))
        _, held, _ = peak(lambda guide=guide, z=z: guide(z, STEP))
        guided, _ = timed(lambda guide=guide, z=z: guide(z, STEP))
        plain, _ = timed(lambda z=z, texts=texts: model.denoiser()(torch.cat([z, z]), TIMESTEP, texts))
        report.add("seeds", together=n, plain_step_s=plain / n, guided_pass_s=guided / n, guided_gb=gigabytes(held))


def _repeated(motion: MotionRepresentation, n: int) -> MotionRepresentation:
    def many(kept: dict[str, Tensor]) -> dict[str, Tensor]:
        return {layer: value.repeat(n, 1, 1, 1) for layer, value in kept.items()}

    return MotionRepresentation(many(motion.values), many(motion.indices))
