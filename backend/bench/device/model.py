"""A model of SD1.5's size with AnimateDiff's motion modules and random weights, created on the device in seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel, UNetMotionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from ...backbones.animatediff.backbone import AnimateDiff
from ...backbones.animatediff.frame_norm import normalize_each_frame
from ...backbones.animatediff.weights.sd15 import TEXT_ENCODER, UNET, VAE, animatediff_alphas
from ...job.take import Take
from ...job_folder.families import resolve
from ...motion.guidance import MotionGuidance
from ...motion.representation import MotionRepresentation, extract_motion
from .measuring import DEVICE

TIMESTEP, READING = 900, 400  # of the pass that is measured; of the one that reads the motion
GUIDED_BLOCK = 1  # the up block whose attention is guided
GAIN, ATTENTION_GAIN = (
    0.7,
    3.0,
)  # keep the scale of activations, and make temporal attention as peaked as in trained modules


@dataclass(frozen=True)
class Shape:
    """The size of the model and its clip: latents [1, 4, frames, height, width] and text [1, 77, text_width]."""

    frames: int
    height: int
    width: int
    text_width: int
    unet: dict[str, Any] = field(default_factory=dict)  # what differs from SD1.5
    adapter: dict[str, Any] = field(default_factory=dict)
    vae: dict[str, Any] = field(default_factory=dict)
    text: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def sd15(cls) -> Shape:
        return cls(16, 64, 64, TEXT_ENCODER["hidden_size"])

    @classmethod
    def tiny(cls) -> Shape:
        widths = (32, 64, 64, 64)
        return cls(
            4,
            8,
            8,
            64,
            {
                "block_out_channels": widths,
                "layers_per_block": 1,
                "norm_num_groups": 8,
                "cross_attention_dim": 64,
                "attention_head_dim": 4,
            },
            {
                "block_out_channels": widths,
                "motion_layers_per_block": 1,
                "motion_norm_num_groups": 8,
                "motion_num_attention_heads": 4,
            },
            {"block_out_channels": (16,) * 4, "layers_per_block": 1, "norm_num_groups": 8},
            {
                "hidden_size": 64,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "projection_dim": 64,
            },
        )

    @property
    def clip(self) -> tuple[int, int, int]:
        return self.frames, self.height, self.width


def build(shape: Shape, dtype: torch.dtype) -> AnimateDiff:
    """The model on the device: the UNet in `dtype`, the rest in float32 as in production."""
    with torch.device("meta"):
        plain = UNet2DConditionModel.from_config({**UNET, **shape.unet})
        adapter = MotionAdapter(use_motion_mid_block=False, **shape.adapter)
        unet = UNetMotionModel.from_unet2d(plain, adapter, load_weights=False)
        vae = AutoencoderKL.from_config({**VAE, **shape.vae})
    unet, vae = unet.to(dtype).to_empty(device=DEVICE), vae.to_empty(device=DEVICE)
    _initialize(unet)
    _initialize(vae)
    text_encoder = CLIPTextModel(CLIPTextConfig(**{**TEXT_ENCODER, **shape.text})).to(DEVICE)
    for module in (unet, vae, text_encoder):
        module.eval().requires_grad_(False)
    normalize_each_frame(unet)
    return AnimateDiff(None, vae, None, text_encoder, unet, animatediff_alphas())


@dataclass(frozen=True)
class Inputs:
    """Random inputs: latents [1, 4, F, h, w], negative and positive text [1, 77, C], and a reference whose texture
    moves by one cell per frame."""

    latents: Tensor
    negative: Tensor
    positive: Tensor
    reference: Tensor

    @classmethod
    def of(cls, shape: Shape) -> Inputs:
        """Inputs drawn on the CPU, so that they are the same on every device."""
        draws = torch.Generator().manual_seed(1)

        def normal(*size: int) -> Tensor:
            return torch.randn(*size, generator=draws)

        wide = normal(1, 4, shape.height, shape.width + shape.frames)
        reference = torch.stack([wide[..., f : f + shape.width] for f in range(shape.frames)], 2)
        latents = normal(1, 4, *shape.clip)
        texts = [normal(1, 77, shape.text_width) for _ in range(2)]
        return cls(*(tensor.to(DEVICE) for tensor in (latents, *texts, reference)))


def read_motion(model: AnimateDiff, inputs: Inputs) -> MotionRepresentation:
    noise = torch.randn(inputs.reference.shape, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    return extract_motion(
        model,
        model.denoiser(),
        inputs.reference,
        noise,
        timestep=READING,
        empty_text=inputs.negative,
        blocks=[f"up_blocks.{GUIDED_BLOCK}"],
    )


def guidance(model: AnimateDiff, inputs: Inputs, motion: MotionRepresentation) -> MotionGuidance:
    return MotionGuidance(model, model.denoiser(), inputs.positive, motion)


def short_take(model: AnimateDiff, shape: Shape, inputs: Inputs, **chosen: object) -> Take:
    steps = {"steps": 6, "guided_steps": 3, "warm_up_steps": 0, "cool_down_steps": 1, "frames": shape.frames}
    size = shape.height * model.latent_scale, shape.width * model.latent_scale
    settings = resolve({}, steps | chosen)
    texts = {"negative": inputs.negative, "positive": inputs.positive}
    return Take(frames=shape.frames, size=size, seed=3, settings=settings, **texts)


@torch.no_grad()
def _initialize(module: nn.Module) -> None:
    draws = torch.Generator(device=DEVICE).manual_seed(0)
    for name, weight in module.named_parameters():
        if weight.ndim < 2:
            weight.fill_(1.0 if name.endswith("weight") else 0.0)
            continue
        peaked = ".motion_modules." in name and name.endswith(("to_q.weight", "to_k.weight"))
        gain = GAIN * (ATTENTION_GAIN if peaked else 1.0)
        weight.copy_(torch.randn(weight.shape, generator=draws, device=DEVICE) * gain / math.sqrt(weight[0].numel()))
    for name, buffer in module.named_buffers():
        if name.endswith("pos_embed.pe"):  # sinusoids, which `to_empty` has left without values
            buffer.copy_(_sinusoids(buffer))


def _sinusoids(like: Tensor) -> Tensor:
    """AnimateDiff's positional encoding, [1, length, channels]."""
    position = torch.arange(like.shape[1], device=like.device)[:, None]
    rate = torch.exp(torch.arange(0, like.shape[2], 2, device=like.device) * (-math.log(10000.0) / like.shape[2]))
    out = torch.zeros(like.shape, device=like.device)
    out[0, :, 0::2], out[0, :, 1::2] = torch.sin(position * rate), torch.cos(position * rate)
    return out
