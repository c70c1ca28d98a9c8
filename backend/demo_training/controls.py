"""Stages after the model: SparseCtrls for pictures and sketches and a ControlNet for depth, trained on the shipped,
frozen UNet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import ControlNetModel, SparseControlNetModel, UNetMotionModel
from torch import Tensor, nn

from ..backbones.animatediff.frame_norm import normalize_all_frames, normalize_each_frame
from . import architecture
from .denoiser import Denoiser, fastest_processors
from .feeding import Batch, Batches, feed
from .passes import lines, shades_of_depth
from .trainer import Run, Trainer, has_state, load_average
from .world import FRAMES, draw

STAGES = ("sparse_rgb", "sparse_scribble", "depth_control")  # named as in a model entry
RATE = 1e-3
HIGH_NOISE_SHARE = 0.7  # of the timesteps: a control determines the layout, which is decided at high noise
# Clips per step on a CPU and on a GPU, and frames per clip. Depth is given frame by frame, so many short clips
# teach more than few long ones.
BATCHES = {"sparse_rgb": (2, 16, FRAMES), "sparse_scribble": (2, 16, FRAMES), "depth_control": (8, 64, FRAMES // 4)}
EMBEDDING_WIDTHS = (16, 16, 32, 64)
FOLDER = Path(__file__).parents[1] / "models" / "demo_controls"


def control_model(stage: str, unet: UNetMotionModel) -> nn.Module:
    """A control that starts as a copy of the UNet's encoder and initially adds nothing, because its last layers are
    zero."""
    shape = {
        "block_out_channels": architecture.UNET_WIDTHS,
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "cross_attention_dim": architecture.TEXT_WIDTH,
        "num_attention_heads": 4,
    }
    if stage != "depth_control":
        model = SparseControlNetModel(
            down_block_types=("CrossAttnDownBlockMotion",) * 3,
            motion_num_attention_heads=4,
            use_simplified_condition_embedding=stage == "sparse_rgb",
            conditioning_channels=4 if stage == "sparse_rgb" else 3,
            conditioning_embedding_out_channels=EMBEDDING_WIDTHS,
            **shape,
        )
        normalize_each_frame(model)
    else:
        model = ControlNetModel(
            down_block_types=("CrossAttnDownBlock2D",) * 3,
            conditioning_embedding_out_channels=EMBEDDING_WIDTHS,
            **shape,
        )
    own = model.state_dict()
    model.load_state_dict({name: value for name, value in unet.state_dict().items() if name in own}, strict=False)
    if stage == "sparse_rgb":
        # Its only input is the picture. With zero weights for it, there would be nothing to learn from.
        with torch.no_grad():
            model.controlnet_cond_embedding.weight[:, : unet.config.in_channels] = unet.conv_in.weight
    elif stage == "sparse_scribble":
        model.controlnet_cond_embedding.conv_out.reset_parameters()  # for the same reason
    return model


class Controlled(nn.Module):
    """The frozen UNet with a control model, used like the UNet. `condition` is set for each batch."""

    def __init__(self, unet: UNetMotionModel, control: nn.Module):
        super().__init__()
        self.unet, self.control = unet.requires_grad_(False), control
        self.condition: tuple[Tensor, ...] = ()

    def forward(self, noisy: Tensor, t: Tensor, text: Tensor, return_dict: bool = False) -> tuple[Tensor]:
        """condition: latents [n, 4, F, h, w] or sketches [n, 3, F, H, W] with a mask of their size, or depth
        [n * F, 3, H, W]."""
        if isinstance(self.control, SparseControlNetModel):
            pictures, mask = self.condition
            downs, mid = self.control(noisy, t, text, pictures, conditioning_mask=mask, return_dict=False)
        else:
            frames, times = noisy.transpose(1, 2).flatten(0, 1), t.repeat_interleave(noisy.shape[2])
            downs, mid = self.control(frames, times, text, *self.condition, return_dict=False)
        added = {"down_block_additional_residuals": tuple(downs), "mid_block_additional_residual": mid}
        return self.unet(noisy, t, text, return_dict=return_dict, **added)


def chosen_frames(latents: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Latents or sketches [n, c, F, h, w] with one to three frames kept, most often the first, and their mask
    [n, 1, F, h, w]."""
    mask = torch.zeros_like(latents[:, :1])
    for one in mask:
        count = rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1])
        one[:, rng.choice(latents.shape[2], count, replace=False)] = 1
        if rng.random() < 0.5:
            one[:] = 0
            one[:, 0] = 1
    return latents * mask, mask


def train(stage: str, run: Run) -> None:
    """Trains one of STAGES with the shipped UNet."""
    model = Denoiser(run)
    model.load_shipped()
    model.text_encoder.requires_grad_(False)
    control = control_model(stage, model.unet).to(run.device, memory_format=torch.channels_last)
    control.set_attn_processor(fastest_processors(control))
    controlled = model.unet = Controlled(model.unet, control)
    trainer = Trainer(stage, [control], run, rate=RATE, decay=1e-2, averaging=0.998)
    on_cpu, on_card, frames = BATCHES[stage]
    count = run.batch_of(on_cpu, on_card)
    source = feed(Batches(trainer.done_steps, count, frames), run.device)
    rng = np.random.default_rng([trainer.done_steps, len(stage)])

    def drawn(batch: Batch) -> tuple[Tensor, ...]:
        latents, tokens = model.encode(draw(batch.scenes, batch.size)), model.tokens(batch.captions)
        if stage == "sparse_rgb":
            return latents, tokens, *chosen_frames(latents, rng)
        if stage == "sparse_scribble":
            sketches = lines(batch.scenes, batch.size)[:, None].expand(-1, 3, -1, -1, -1)
            return latents, tokens, *chosen_frames(sketches, rng)
        depth = shades_of_depth(batch.scenes, batch.size).flatten(0, 1)
        return latents, tokens, depth[:, None].expand(-1, 3, -1, -1)

    def loss(latents: Tensor, tokens: Tensor, *condition: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        controlled.condition = condition
        return model.loss(latents, tokens, HIGH_NOISE_SHARE)

    trainer.run(map(drawn, source), loss, count)


def export(state: Path, folder: Path = FOLDER) -> None:
    """Writes the averaged parameters of every trained stage as diffusers folders of fp16 safetensors."""
    for stage in STAGES:
        if not has_state(state, stage):
            continue
        control = control_model(stage, architecture.unet())
        load_average(state, stage, [control])
        normalize_all_frames(control)
        control.to(torch.float16).save_pretrained(folder / stage)
