"""A small random SD1.5-shaped model, written in every format that people's weights come in.

The names of the tensors are those of the real files; only the sizes are small. The renamings here are the inverse of
what a loader does, written from the formats' own layouts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, MotionAdapter, StableDiffusionPipeline, UNet2DConditionModel, UNetMotionModel
from diffusers import PNDMScheduler as BaseScheduler
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

from backend.demo_training import tokenizer

CHANNELS = (16, 16, 32, 32)
TEXT_WIDTH = 16
VERSIONS = {"v1": (False, 24), "v2": (True, 32), "v3": (False, 32)}  # motion in the middle block, positions
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
TOP = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
MOTION = {
    ".norm1": ".norms.0",
    ".norm2": ".norms.1",
    ".norm3": ".ff_norm",
    ".attn1": ".attention_blocks.0",
    ".attn2": ".attention_blocks.1",
}
Tensors = dict[str, torch.Tensor]


@dataclass
class Parts:
    """The model from which every file is written."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    adapters: dict[str, MotionAdapter]

    def motion_unet(self, version: str) -> UNetMotionModel:
        return UNetMotionModel.from_unet2d(self.unet, self.adapters[version]).eval()


def build(folder: Path, blocks: int = 4) -> Parts:
    """Writes <folder>/base (diffusers' layout) and <folder>/v1, v2, v3 (motion adapters).

    blocks: SD1.5's 4, or 2 of one layer each where a test does not need its form and should be quick.
    """
    channels, layers = CHANNELS[-blocks:], 2 if blocks == 4 else 1
    torch.manual_seed(0)
    words = tokenizer.build(folder / "base" / "tokenizer")
    unet = UNet2DConditionModel(
        block_out_channels=channels,
        down_block_types=(*["CrossAttnDownBlock2D"] * (blocks - 1), "DownBlock2D"),
        up_block_types=("UpBlock2D", *["CrossAttnUpBlock2D"] * (blocks - 1)),
        layers_per_block=layers,
        norm_num_groups=4,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=8,
    )
    adapters = {version: _adapter(channels, layers, *form) for version, form in VERSIONS.items()}
    parts = Parts(unet.eval(), small_vae(), _text_encoder(words), adapters)
    StableDiffusionPipeline(
        vae=parts.vae,
        text_encoder=parts.text_encoder,
        tokenizer=words,
        unet=unet,
        scheduler=BaseScheduler(beta_schedule="scaled_linear", steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
    ).save_pretrained(folder / "base")
    for version, adapter in parts.adapters.items():
        adapter.save_pretrained(folder / version)
    return parts


def small_vae() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=2,
        norm_num_groups=4,
    ).eval()


def _text_encoder(words) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=TEXT_WIDTH,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=words.model_max_length,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    return CLIPTextModel(config).eval()


def _adapter(channels: tuple[int, ...], layers: int, middle: bool, positions: int) -> MotionAdapter:
    adapter = MotionAdapter(
        block_out_channels=channels,
        motion_layers_per_block=layers,
        motion_norm_num_groups=4,
        use_motion_mid_block=middle,
        motion_max_seq_length=positions,
    )
    for name, tensor in adapter.named_parameters():
        if name.endswith("proj_out.weight"):  # zero at first, as for training; here it must do something
            torch.nn.init.normal_(tensor, std=0.2)
    return adapter.eval()


def checkpoint(parts: Parts) -> Tensors:
    """Returns a complete SD1.5 checkpoint in the original layout, with the extra tensors of such files."""
    layers = parts.unet.config.layers_per_block
    unet = {"model.diffusion_model." + ldm_unet_name(name, layers): t for name, t in parts.unet.state_dict().items()}
    vae = {"first_stage_model." + name: t for name, t in ldm_vae(parts.vae).items()}
    start = "cond_stage_model.transformer.text_model."
    text = {start + name: t for name, t in parts.text_encoder.state_dict().items()}
    extras = {"alphas_cumprod": torch.ones(1000), start + "embeddings.position_ids": torch.arange(77)[None]}
    return unet | vae | text | extras


def ldm_unet_name(name: str, layers: int = 2) -> str:
    """layers: of a down block, including its downsampler and one more for an up block."""
    each = layers + 1
    for ours, theirs in TOP.items():
        if name.startswith(ours + "."):
            return theirs + name.removeprefix(ours)
    block, part, i, j, rest = _block(name)
    if part == "resnets":
        layer, _, end = rest.partition(".")
        rest = f"{RESNET[layer]}.{end}"
    if block == "mid_block":
        return f"middle_block.{2 * j if part == 'resnets' else 1}.{rest}"
    if block == "down_blocks":
        n, inner = (
            (each * (i + 1), "0.op") if part == "downsamplers" else (each * i + j + 1, "01"[part == "attentions"])
        )
        return f"input_blocks.{n}.{inner}.{rest.removeprefix('conv.') if part == 'downsamplers' else rest}"
    if part == "upsamplers":
        return f"output_blocks.{each * i + layers}.{1 if i == 0 else 2}.{rest}"
    return f"output_blocks.{each * i + j}.{'01'[part == 'attentions']}.{rest}"


def _block(name: str) -> tuple[str, str, int, int, str]:
    """ "up_blocks.1.resnets.2.conv1.weight" to ("up_blocks", "resnets", 1, 2, "conv1.weight")."""
    block, i, part, j, rest = re.fullmatch(r"(\w+_blocks?)\.(?:(\d+)\.)?(\w+)\.(\d+)\.(.+)", name).groups()
    return block, part, int(i or 0), int(j), rest


def ldm_vae(vae: AutoencoderKL) -> Tensors:
    tensors = {}
    last = len(vae.config.block_out_channels) - 1
    for name, tensor in vae.state_dict().items():
        name = re.sub(r"encoder\.down_blocks\.(\d)\.resnets", r"encoder.down.\1.block", name)
        name = re.sub(r"encoder\.down_blocks\.(\d)\.downsamplers\.0", r"encoder.down.\1.downsample", name)
        name = re.sub(r"up_blocks\.(\d)\.resnets", lambda m: f"up.{last - int(m[1])}.block", name)
        name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{last - int(m[1])}.upsample", name)
        name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
        if "mid_block.attentions.0" in name:
            name = name.replace("mid_block.attentions.0", "mid.attn_1").replace("group_norm", "norm")
            name = name.replace("to_out.0", "proj_out").replace("to_", "")
            tensor = tensor[:, :, None, None] if tensor.ndim == 2 else tensor
        name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        tensors[name] = tensor
    return tensors


def original_motion(adapter: MotionAdapter) -> Tensors:
    """AnimateDiff's own layout."""
    tensors = {}
    for name, tensor in adapter.state_dict().items():
        name = re.sub(r"(motion_modules\.\d+)", r"\1.temporal_transformer", name)
        if name.endswith("pos_embed.pe"):
            for attention in (0, 1):
                end = f"attention_blocks.{attention}.pos_encoder.pe"
                tensors[name.replace("pos_embed.pe", end)] = tensor
            continue
        for ours, theirs in MOTION.items():
            name = name.replace(ours, theirs)
        tensors[name] = tensor
    return tensors


def save(tensors: Tensors, path: Path, metadata: dict[str, str] | None = None) -> Path:
    """Writes safetensors, or PyTorch's format, by the extension of the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    if path.suffix == ".safetensors":
        save_file(tensors, path, metadata)
    else:
        torch.save(tensors, path)
    return path


def write_entry(folder: Path, lines: str, frames: int = 24) -> Path:
    """Writes <folder>/own.toml: the model "own" of the parts that `lines` name."""
    (folder / "own.toml").write_text(
        f'name = "own"\ntitle = "Own"\n{lines}\n'
        f"[clip]\nframes = 8\nmost_frames = {frames}\narea = 4096\nmultiple = 64\n",
        encoding="utf-8",
    )
    return folder / "own.toml"
