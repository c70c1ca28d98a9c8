"""Checks whether the same work gives the same bits, and whether an interrupted take continues to the same result."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from ...backbones.animatediff.backbone import AnimateDiff
from ...job import checkpoint
from ...job.checkpoint import Checkpoint
from ...job.take import Take, generate
from ...motion.representation import MotionRepresentation
from ...sampling.state import SamplerState
from .measuring import DEVICE, timed
from .model import TIMESTEP, Inputs, Shape, build, guidance, read_motion, short_take
from .policies import STEP, WORKING
from .report import Report

SAMPLERS = ("ddim", "dpm++2m", "euler", "lcm")
CUT_AFTER = 2  # steps
CLOSE = 0.05  # the largest relative difference that rounding may cause between two runs of a take


class _CutOff(Exception):
    """Ends a take as a kill would."""


def section(report: Report, shape: Shape) -> None:
    model, inputs = build(shape, WORKING), Inputs.of(shape)
    motion = read_motion(model, inputs)
    guide = guidance(model, inputs, motion)
    with torch.no_grad():
        passes = [guide(inputs.latents, STEP)[1] for _ in range(2)]
        plain = [model.denoiser()(inputs.latents, TIMESTEP, inputs.positive) for _ in range(2)]
    report.add(
        "resume",
        what="a pass twice",
        plain_same_bits=torch.equal(*plain),
        guided_same_bits=torch.equal(*passes),
        guided_difference=_difference(*passes),
    )
    for sampler in SAMPLERS:
        _take(report, model, motion, short_take(model, shape, inputs, sampler=sampler))


def _take(report: Report, model: AnimateDiff, motion: MotionRepresentation, take: Take) -> None:
    """One row: a take run twice, and the same take interrupted and continued from its checkpoint."""
    seconds, straight = timed(lambda: generate(model, take, motion, lambda: None, SamplerState()), 1)
    again = generate(model, take, motion, lambda: None, SamplerState())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        done, resumed = _cut_and_continued(model, motion, take, Path(folder))
    report.add(
        "resume",
        what=f"a take by {take.settings.sampler}",
        seconds=seconds,
        finite=bool(torch.isfinite(straight).all()),
        steps_kept=done,
        same_bits_twice=torch.equal(straight, again),
        difference_twice=_difference(straight, again),
        same_bits_continued=torch.equal(straight, resumed),
        difference_continued=_difference(straight, resumed),
        continued_alike=_difference(straight, resumed) < CLOSE,
    )


def _cut_and_continued(
    model: AnimateDiff, motion: MotionRepresentation, take: Take, folder: Path
) -> tuple[int, Tensor]:
    """The number of steps in the checkpoint, and the final result."""
    seconds, checkpoint.SECONDS = checkpoint.SECONDS, 0.0
    try:
        first = Checkpoint(folder, print)
        state, made = first.state({"the take": "the same"}, DEVICE), []

        def after_step() -> None:
            first.keep(state)
            made.append(None)
            if len(made) == CUT_AFTER:
                raise _CutOff

        with suppress(_CutOff):
            generate(model, take, motion, after_step, state)
    finally:
        checkpoint.SECONDS = seconds
    kept = Checkpoint(folder, print).state({"the take": "the same"}, DEVICE)
    return kept.done, generate(model, take, motion, lambda: None, kept)


def _difference(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / a.norm())
