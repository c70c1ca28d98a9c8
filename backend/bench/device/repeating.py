"""Measures the cost of the setting `deterministic` on this device, and whether results are then identical."""

from __future__ import annotations

import statistics

import torch
from torch import Tensor

from ...job.take import generate
from ...memory.device import deterministic_mode
from ...sampling.state import SamplerState
from .measuring import timed
from .model import TIMESTEP, Inputs, Shape, build, guidance, read_motion, short_take
from .policies import STEP, WORKING
from .report import Report

TURNS = 5  # of each, alternating, so that both run at the same clock and temperature


@torch.no_grad()
def section(report: Report, shape: Shape) -> None:
    """One row without the setting and one with it. Times are relative to the other one of the same turn."""
    model, inputs = build(shape, WORKING), Inputs.of(shape)
    guide = guidance(model, inputs, read_motion(model, inputs))

    def guided() -> object:
        return guide(inputs.latents, STEP)

    def plain() -> object:
        return model.denoiser().pair(inputs.latents, TIMESTEP, inputs.negative, inputs.positive)

    def whole() -> Tensor:
        motion = read_motion(model, inputs)
        return generate(model, short_take(model, shape, inputs), motion, lambda: None, SamplerState())

    seconds = {(wanted, work): [] for wanted in (False, True) for work in (guided, plain)}
    for _ in range(TURNS + 1):  # one to warm up
        for (wanted, work), found in seconds.items():
            with deterministic_mode(wanted):
                found.append(timed(work, 1)[0])
    for wanted in (False, True):
        with deterministic_mode(wanted):
            same = torch.equal(whole(), whole())
        median = {work: statistics.median(seconds[wanted, work][1:]) for work in (guided, plain)}
        shares = {work: _share(seconds[True, work][1:], seconds[False, work][1:]) for work in (guided, plain)}
        report.add(
            "deterministic",
            setting=wanted,
            plain_step_s=median[plain],
            guided_pass_s=median[guided],
            plain_step_share=shares[plain] if wanted else None,
            guided_pass_share=shares[guided] if wanted else None,
            **{"repeats_exactly" if wanted else "same_bits_twice": same},
        )


def _share(those: list[float], others: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(those, others, strict=True))
