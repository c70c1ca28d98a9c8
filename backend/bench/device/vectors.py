"""Checks whether this device reproduces the recorded numbers of the published method.

They are compared in float32. TensorFloat-32, which PyTorch uses for convolutions by default, is measured separately.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from diffusers import UNetMotionModel
from safetensors import safe_open
from torch import Tensor

from ...backbones.animatediff.backbone import from_unet
from ...backbones.animatediff.frame_norm import normalize_each_frame
from ...job.take import predictors
from ...motion.guidance import MotionGuidance
from ...motion.representation import extract_motion
from ...sampling.guided import GuidanceOptions, sample
from ...sampling.schedule import plan_steps, uneven_timesteps
from .measuring import DEVICE, IS_CARD
from .report import Report

FOLDER = Path(__file__).parents[3] / "tests" / "reference"
FORWARD_LIMIT, LATENTS_LIMIT = 2e-5, 1e-3  # absolute; of a latent's standard deviation


def section(report: Report) -> None:
    if not FOLDER.is_dir():
        report.add("vectors", skipped="the recorded numbers are not part of the extension: run it in the repository")
        return
    for tf32 in (False, True) if IS_CARD else (False,):
        with _tf32(tf32):
            forward, latents = _forward_error(), _latents_error()
        within = forward < FORWARD_LIMIT and latents < LATENTS_LIMIT
        report.add(
            "vectors",
            tf32=tf32,
            forward_error=forward,
            latents_error=latents,
            **{"within_limits_too" if tf32 else "within_limits": within},
        )


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def _unet() -> UNetMotionModel:
    unet = UNetMotionModel.from_pretrained(FOLDER / "unet", use_safetensors=True, low_cpu_mem_usage=False)
    normalize_each_frame(unet)
    return unet.eval().requires_grad_(False).to(DEVICE)


def _read(name: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(FOLDER / name, "pt") as file:
        return {key: file.get_tensor(key).to(DEVICE) for key in file.keys()}, file.metadata()  # noqa: SIM118


@torch.no_grad()
def _forward_error() -> float:
    recorded, facts = _read("forward.safetensors")
    predicted = from_unet(_unet()).denoiser()(recorded["latents"], int(facts["timestep"]), recorded["prompt_embeds"])
    return float((predicted - recorded["noise_pred"]).abs().max())


def _latents_error() -> float:
    """The largest error after any step of the recorded guided take."""
    recorded, facts = _read("v2_a.safetensors")
    chosen = json.loads(facts["settings"])
    model = from_unet(_unet())
    denoise = model.denoiser()
    motion = extract_motion(
        model,
        denoise,
        recorded["reference_latents"],
        recorded["representation_noise"],
        timestep=chosen["representation_timestep"],
        empty_text=recorded["empty_embeds"],
        blocks=chosen["guidance_blocks"],
    )
    timesteps = uneven_timesteps(chosen["steps"], chosen["guided_steps"], chosen["guided_range"])
    found: dict[int, Tensor] = {}
    sample(
        recorded["initial_latents"],
        plan_steps(timesteps, chosen["guided_steps"], chosen["warm_up_steps"], chosen["cool_down_steps"]),
        model.schedule,
        GuidanceOptions(chosen["cfg_scale"], "paper", chosen["motion_weight"], "raw"),
        predictors(denoise, recorded["negative_embeds"], recorded["prompt_embeds"]),
        MotionGuidance(model, denoise, recorded["prompt_embeds"], motion),
        lambda step, z, *_: found.update({step.index: z}),
    )
    errors = [
        float((found[int(name.rsplit(".", 1)[1])] - wanted).abs().max() / wanted.std())
        for name, wanted in recorded.items()
        if name.startswith("latents_after_step.")
    ]
    return max(errors)
