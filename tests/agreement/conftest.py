"""The small random UNet with which the numbers were recorded."""

from dataclasses import replace

import pytest
from diffusers import DDIMScheduler, UNetMotionModel

from backend.backbones.animatediff.backbone import AnimateDiff, from_unet
from backend.backbones.animatediff.denoise import Denoiser
from backend.backbones.animatediff.frame_norm import normalize_each_frame

from .vectors import FOLDER


@pytest.fixture(scope="session")
def unet() -> UNetMotionModel:
    model = UNetMotionModel.from_pretrained(FOLDER / "unet", use_safetensors=True).eval().requires_grad_(False)
    normalize_each_frame(model)
    return model


@pytest.fixture(scope="session")
def denoiser(unet) -> Denoiser:
    return Denoiser(unet)


@pytest.fixture(scope="session")
def model(unet) -> AnimateDiff:
    alphas = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="linear").alphas_cumprod
    return replace(from_unet(unet), alphas=alphas)
