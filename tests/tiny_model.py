"""A random model of AnimateDiff's architecture with control models, a few hundred kilobytes, in diffusers' layout."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    SparseControlNetModel,
    UNetMotionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel

from backend.demo_training import tokenizer

ENTRY = """
name = "tiny"
title = "Random, for tests"
folder = "tiny"

[clip]
frames = 8
most_frames = 24
area = 1024
multiple = 8

[settings]
steps = 4
guided_steps = 2
guided_range = 0.4
warm_up_steps = 1
cool_down_steps = 0
motion_weight = 200.0
score_form = "raw"
cfg_form = "standard"
cfg_scale = 3.0
guidance_blocks = ["up_blocks.1"]
"""

CONTROLS = """
sparse_rgb = "tiny-controls/sparse_rgb"
sparse_scribble = "tiny-controls/sparse_scribble"
depth_control = "tiny-controls/depth_control"
"""
SHAPE = {"block_out_channels": (16, 16), "layers_per_block": 1, "norm_num_groups": 4, "cross_attention_dim": 16}


def build(models: Path) -> Path:
    """Writes tiny.toml, tiny-controls.toml (the same model with controls) and their folders; returns tiny's folder."""
    torch.manual_seed(0)
    folder = models / "tiny"
    words = tokenizer.build(folder / "tokenizer")
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=words.model_max_length,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        )
    )
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        mid_block_add_attention=False,
    )
    unet = UNetMotionModel(
        sample_size=8,
        down_block_types=("CrossAttnDownBlockMotion", "DownBlockMotion"),
        up_block_types=("UpBlockMotion", "CrossAttnUpBlockMotion"),
        num_attention_heads=2,
        motion_num_attention_heads=2,
        **SHAPE,
    )
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="linear", clip_sample=False, timestep_spacing="linspace"
    )
    AnimateDiffPipeline(
        vae=vae, text_encoder=text_encoder, tokenizer=words, unet=unet, motion_adapter=None, scheduler=scheduler
    ).save_pretrained(folder)
    (models / "tiny.toml").write_text(ENTRY, encoding="utf-8")
    for key, control in controls().items():
        control.save_pretrained(models / "tiny-controls" / key)
    with_controls = ENTRY.replace('name = "tiny"', 'name = "tiny-controls"').replace("\n[clip]", CONTROLS + "\n[clip]")
    (models / "tiny-controls.toml").write_text(with_controls, encoding="utf-8")
    return folder


def controls() -> dict[str, torch.nn.Module]:
    """Returns control models for the tiny UNet, by entry key. Their zero layers are random, to have an effect."""
    sparse = SHAPE | {
        "down_block_types": ("CrossAttnDownBlockMotion", "DownBlockMotion"),
        "num_attention_heads": 2,
        "motion_num_attention_heads": 2,
    }
    picture = {"conditioning_channels": 3, "conditioning_embedding_out_channels": (4, 8, 8)}
    models = {
        "sparse_rgb": SparseControlNetModel(conditioning_channels=4, **sparse),
        "sparse_scribble": SparseControlNetModel(use_simplified_condition_embedding=False, **picture, **sparse),
        "depth_control": ControlNetModel(
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), attention_head_dim=2, **picture, **SHAPE
        ),
    }
    for model in models.values():
        for name, parameter in model.named_parameters():
            if name.startswith("controlnet_"):
                torch.nn.init.normal_(parameter, std=0.3)
    return models
