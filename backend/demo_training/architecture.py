"""The demo model's components: AnimateDiff's architecture in diffusers' standard classes, at a small size."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNetMotionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from ..backbones.animatediff.frame_norm import normalize_each_frame

TEXT_WIDTH = 64
TEXT_LENGTH = 32
UNET_WIDTHS = (48, 96, 128)


def autoencoder() -> AutoencoderKL:
    """Encodes 128x128 pixels to latents of 4x16x16."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(32, 48, 64, 96),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=128,
        mid_block_add_attention=False,
        scaling_factor=1.0,
    )


def text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=TEXT_LENGTH,
            projection_dim=TEXT_WIDTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def unet() -> UNetMotionModel:
    """A UNet with text attention at every scale. Its motion modules start as the identity, like AnimateDiff's."""
    model = UNetMotionModel(
        sample_size=16,
        down_block_types=("CrossAttnDownBlockMotion",) * 3,
        up_block_types=("CrossAttnUpBlockMotion",) * 3,
        block_out_channels=UNET_WIDTHS,
        layers_per_block=1,
        norm_num_groups=8,
        cross_attention_dim=TEXT_WIDTH,
        num_attention_heads=4,
        motion_num_attention_heads=4,
        motion_max_seq_length=32,
        use_motion_mid_block=True,
    )
    for name, parameter in model.named_parameters():
        if "motion_modules" in name and "proj_out" in name:
            torch.nn.init.zeros_(parameter)
    normalize_each_frame(model)
    return model


def scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="linear",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )
