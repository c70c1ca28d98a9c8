"""A take of the tiny model and a motion to follow, for the tests of sampling."""

from __future__ import annotations

from dataclasses import replace

import torch

from backend.backbones.animatediff.backbone import AnimateDiff
from backend.job.take import Take
from backend.job_folder.families import resolve
from backend.motion.representation import MotionRepresentation, extract_motion
from backend.sampling.schedule import Step

LATENTS = (1, 4, 8, 6, 10)


def take_of(model: AnimateDiff) -> Take:
    settings = resolve(model.entry.settings, {"frames": 8, "motion_weight": 200})
    return Take(
        frames=8,
        size=(24, 40),
        seed=5,
        settings=settings,
        negative=model.embed([""])[0],
        positive=model.embed(["a red ball"])[0],
    )


def read_motion(model: AnimateDiff, **reading) -> MotionRepresentation:
    reference, noise = (torch.randn(LATENTS, generator=torch.Generator().manual_seed(s)) for s in (2, 3))
    return extract_motion(
        model,
        model.denoiser(),
        reference.to(model.unet.device),
        noise.to(model.unet.device),
        timestep=400,
        empty_text=model.embed([""])[0],
        blocks=["up_blocks.1"],
        **reading,
    )


def with_settings(take: Take, **changes) -> Take:
    return replace(take, settings=replace(take.settings, **changes))


def step_at(timestep: int) -> Step:
    return Step(index=0, timestep=timestep, next_timestep=-1, ramp=1.0)


def nothing(*_) -> None:
    """Ignores a step."""
