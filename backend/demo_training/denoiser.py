"""Stages 2 and 3: the text encoder and the UNet, first on single frames, then with motion modules on whole clips.

Nothing is stored: every batch is drawn and encoded when it is needed, so no clip is seen twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from diffusers import AutoencoderKL, UNetMotionModel
from diffusers.models.attention_processor import AttentionProcessor, AttnProcessor2_0
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D
from torch import Tensor, nn
from transformers import CLIPTextModel

from ..motion.attention import ExplicitAttention
from . import architecture, tokenizer
from .autoencoder import FRAMES_OF_A_MOTION, to_pixels
from .captions import training_caption
from .moves import random_look, random_motion
from .trainer import Trainer
from .world import FRAMES, draw_clip

SHIPPED = Path(__file__).parents[1] / "models" / "demo"
FRAME_BATCH = 24
CLIP_BATCH = 2
RATES = {"frames": 1.2e-3, "clips": 8e-4}
SHAPES = ((64, 64), (48, 80), (80, 48))  # height and width of the clips of a batch: square, wide, tall
SHAPE_SHARES = (0.75, 0.2, 0.05)
HIGH_NOISE_SHARE = 0.4  # of the timesteps are drawn from the noisier half, where layout, colour and motion are decided
# The loss weighs the clean-latent error by the signal-to-noise ratio within these bounds. At high noise the plain loss
# hardly sees that error, and the text is then barely learnt.
LEAST_WEIGHT, MOST_WEIGHT, MOST_NOISE_WEIGHT = 0.25, 5.0, 25.0


class Denoiser:
    """The model in training: what it is made of and its loss on one batch of latents."""

    def __init__(self, state: Path):
        if dist.get_rank() == 0:
            tokenizer.build(state / "tokenizer")
        dist.barrier()
        self.tokenizer = tokenizer.CLIPTokenizer.from_pretrained(state / "tokenizer")
        self.text_encoder = architecture.text_encoder(self.tokenizer)
        self.unet = architecture.unet().to(memory_format=torch.channels_last)
        self.unet.set_attn_processor(fastest_processors(self.unet))
        self.vae = _autoencoder(state).to(memory_format=torch.channels_last).requires_grad_(False)
        self.alphas = architecture.scheduler().alphas_cumprod
        ratio = self.alphas / (1 - self.alphas)
        self.weights = ((ratio + LEAST_WEIGHT).clamp(max=MOST_WEIGHT) / ratio).clamp(max=MOST_NOISE_WEIGHT)

    def load_shipped(self) -> None:
        self.unet.load_state_dict(
            UNetMotionModel.from_pretrained(SHIPPED / "unet", low_cpu_mem_usage=False).state_dict()
        )
        self.text_encoder.load_state_dict(CLIPTextModel.from_pretrained(SHIPPED / "text_encoder").float().state_dict())

    @torch.no_grad()
    def encode(self, clips: np.ndarray) -> Tensor:
        """uint8 [n, F, H, W, 3] to latents [n, 4, F, h, w], the posterior's mean."""
        n = len(clips)
        with torch.autocast("cpu", torch.bfloat16):
            mean = self.vae.encode(to_pixels(clips.reshape(-1, *clips.shape[2:]))).latent_dist.mean
        return mean.float().unflatten(0, (n, -1)).transpose(1, 2)

    def embed(self, captions: list[str]) -> Tensor:
        tokens = self.tokenizer(
            captions, padding="max_length", max_length=architecture.TEXT_LENGTH, return_tensors="pt"
        )
        return self.text_encoder(tokens.input_ids)[0]

    def loss(
        self, latents: Tensor, captions: list[str], high_noise_share: float = HIGH_NOISE_SHARE
    ) -> tuple[Tensor, dict[str, float]]:
        n, _, frames = latents.shape[:3]
        t = torch.randint(0, 1000, (n,))
        t = torch.where(torch.rand(n) < high_noise_share, torch.randint(500, 1000, (n,)), t)
        noise = torch.randn_like(latents)
        alpha = self.alphas[t].view(-1, 1, 1, 1, 1)
        noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
        with torch.autocast("cpu", torch.bfloat16):
            text = self.embed(captions).repeat_interleave(frames, 0)
            predicted = self.unet(noisy, t, text, return_dict=False)[0]
        errors = (predicted.float() - noise).pow(2).mean((1, 2, 3, 4))
        loss = (errors * self.weights[t]).mean()
        figures = {"eps_mse": float(errors.detach().mean()), "loss": float(loss.detach())}
        high = t > 700
        if high.any():  # the clean-latent error where the caption decides most
            figures["high_noise"] = float((errors * self.weights[t])[high].detach().mean())
        return loss, figures


def _autoencoder(state: Path) -> AutoencoderKL:
    """The one trained here, else the shipped one."""
    trained = state / "vae"
    return AutoencoderKL.from_pretrained(trained if trained.exists() else SHIPPED / "vae", low_cpu_mem_usage=False)


def fastest_processors(unet: UNetMotionModel) -> dict[str, AttentionProcessor]:
    """On a CPU fused attention wins over the long rows of spatial self-attention, the explicit form over short ones."""
    fused, explicit = AttnProcessor2_0(), ExplicitAttention()
    return {name: explicit if "motion_modules" in name or ".attn2." in name else fused for name in unet.attn_processors}


def drawn_batches(stage: str, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Endless batches of clips uint8 [n, F, H, W, 3] of one of SHAPES (F = 1 in the stage of frames) with captions."""
    while True:
        clips, captions = [], []
        size = SHAPES[rng.choice(len(SHAPES), p=SHAPE_SHARES)]
        for _ in range(CLIP_BATCH if stage == "clips" else FRAME_BATCH // FRAMES_OF_A_MOTION):
            motion = random_motion(rng)
            choices = [None] if stage == "clips" else [[int(f)] for f in rng.choice(FRAMES, FRAMES_OF_A_MOTION, False)]
            for frames in choices:
                look = random_look(rng)
                clips.append(draw_clip(look, motion, size, frames))
                captions.append(training_caption(look, rng))
        yield np.stack(clips), captions


@contextmanager
def motion_modules_bypassed(unet: nn.Module, bypass: bool) -> Iterator[None]:
    """Single frames train the image model alone: each motion module hands its input on."""
    modules = [m for m in unet.modules() if isinstance(m, AnimateDiffTransformer3D)] if bypass else []
    for module in modules:
        module.forward = lambda hidden_states, *_, **__: hidden_states
    try:
        yield
    finally:
        for module in modules:
            del module.forward


def train(stage: str, state: Path, minutes: float, rank: int, cool_down: bool) -> None:
    """stage 'frames' or 'clips'; the first run of 'clips' starts from the smoothed parameters of 'frames'.

    Without checkpoints of 'frames' it goes on from the shipped model.
    """
    model = Denoiser(state)
    parts = [model.unet, model.text_encoder]
    if stage == "clips" and not (state / "clips.pt").exists():
        if (state / "frames.pt").exists():
            Trainer("frames", parts, state, rate=0, decay=0, averaging=0).use_average()
        else:
            model.load_shipped()
    trainer = Trainer(
        stage, parts, state, rate=RATES[stage], decay=1e-2, averaging=0.998 if stage == "frames" else 0.9985
    )
    source = drawn_batches(stage, np.random.default_rng([trainer.done_steps, rank, len(stage)]))

    def loss() -> tuple[Tensor, dict[str, float]]:
        clips, captions = next(source)
        return model.loss(model.encode(clips), captions)

    with motion_modules_bypassed(model.unet, stage == "frames"):
        trainer.run(minutes, loss, cool_down)
