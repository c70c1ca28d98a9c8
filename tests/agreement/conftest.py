"""The small random UNet with which the numbers were recorded.

Torch is imported where it is needed, because the process that hands out the tests loads this file too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from diffusers import UNetMotionModel

    from backend.backbones.animatediff.backbone import AnimateDiff
    from backend.backbones.animatediff.denoise import Denoiser


@pytest.fixture(scope="session")
def unet() -> UNetMotionModel:
    from diffusers import UNetMotionModel

    from backend.backbones.animatediff.frame_norm import normalize_each_frame

    from .vectors import FOLDER

    model = UNetMotionModel.from_pretrained(FOLDER / "unet", use_safetensors=True).eval().requires_grad_(False)
    normalize_each_frame(model)
    return model


@pytest.fixture(scope="session")
def denoiser(unet) -> Denoiser:
    from backend.backbones.animatediff.denoise import Denoiser

    return Denoiser(unet)


@pytest.fixture(scope="session")
def model(unet) -> AnimateDiff:
    from diffusers import DDIMScheduler

    from backend.backbones.animatediff.backbone import from_unet

    alphas = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="linear").alphas_cumprod
    return replace(from_unet(unet), alphas=alphas)
