"""The configs and the noise schedule of SD1.5 and AnimateDiff, for files that contain only weights."""

from __future__ import annotations

from typing import Any

from diffusers import DDIMScheduler
from torch import Tensor

# Everything else has the default of its class.
UNET: dict[str, Any] = {
    "sample_size": 64,
    "in_channels": 4,
    "layers_per_block": 2,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "sample_size": 512,
    "scaling_factor": 0.18215,
}
TEXT_ENCODER: dict[str, Any] = {
    "vocab_size": 49408,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 77,
    "projection_dim": 768,
    "hidden_act": "quick_gelu",
}
CONFIGS = {"unet": UNET, "vae": VAE, "text_encoder": TEXT_ENCODER}


def animatediff_alphas() -> Tensor:
    """Returns the cumulative alphas [1000] of AnimateDiff's noise schedule, arXiv:2307.04725.

    Motion modules are trained with linear betas, whatever the scheduler config of the base model contains.
    """
    return DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="linear").alphas_cumprod
