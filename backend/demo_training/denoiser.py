"""Stages 2 and 3: trains the text encoder and the UNet, first on single frames, then with motion modules on clips.

Nothing is stored. Every batch is drawn and encoded when needed; a GPU uses it a few times, with other noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNetMotionModel
from diffusers.models.attention_processor import AttentionProcessor, AttnProcessor2_0
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D
from torch import Tensor, nn
from transformers import CLIPTextModel

from ..backbones.animatediff.attention import ExplicitAttention
from . import architecture, tokenizer
from .autoencoder import to_pixels
from .feeding import Batches, feed, reused
from .trainer import Run, Trainer, has_state, load_average
from .world import FRAMES, draw, sent

SHIPPED = Path(__file__).parents[1] / "models" / "demo"
BATCHES = {"frames": (24, 256), "clips": (2, 16)}  # per step on a CPU, on a GPU
RATES = {"frames": 1.2e-3, "clips": 1e-3}
USES = 3  # of a drawn batch on a GPU, each with other noise: drawing and encoding cost it as much as training
HIGH_NOISE_SHARE = 0.4  # of the timesteps are from the noisier half, which determines layout, color and motion
HIGH_NOISE = 700  # the clean-latent error above this timestep is logged too: there the caption matters most
# The loss weighs the clean-latent error by the signal-to-noise ratio within these bounds. At high noise the plain loss
# hardly sees that error, and the text is then barely learnt.
MIN_WEIGHT, MAX_WEIGHT, MAX_NOISE_WEIGHT = 0.25, 5.0, 25.0


class Denoiser:
    """The model in training: its components and its loss on a batch of latents."""

    def __init__(self, run: Run):
        self.device = run.device
        self.tokenizer = tokenizer.build(run.state / "tokenizer")
        self.text_encoder = architecture.text_encoder(self.tokenizer).to(run.device)
        self.unet = architecture.unet().to(run.device, memory_format=torch.channels_last)
        self.unet.set_attn_processor(fastest_processors(self.unet))
        vae = _autoencoder(run.state).to(run.device, memory_format=torch.channels_last)
        self.vae = vae.requires_grad_(False)
        self.alphas = architecture.scheduler().alphas_cumprod.to(run.device)
        ratio = self.alphas / (1 - self.alphas)
        self.weights = ((ratio + MIN_WEIGHT).clamp(max=MAX_WEIGHT) / ratio).clamp(max=MAX_NOISE_WEIGHT)

    def load_shipped(self) -> None:
        """Loads the shipped model. Raises SystemExit when it is from an earlier version of the demo world."""
        text_encoder = CLIPTextModel.from_pretrained(SHIPPED / "text_encoder").float()
        if text_encoder.config.vocab_size != len(self.tokenizer):
            raise SystemExit("The shipped model is of an earlier world. Train the stages autoencoder and frames first.")
        unet = UNetMotionModel.from_pretrained(SHIPPED / "unet", low_cpu_mem_usage=False)
        self.unet.load_state_dict(unet.state_dict())
        self.text_encoder.load_state_dict(text_encoder.state_dict())

    @torch.no_grad()
    def encode(self, clips: Tensor) -> Tensor:
        """Encodes uint8 [n, F, H, W, 3] to latents [n, 4, F, h, w], the mean of the posterior."""
        with torch.autocast(self.device.type, torch.bfloat16):
            mean = self.vae.encode(to_pixels(clips)).latent_dist.mean
        return mean.float().unflatten(0, clips.shape[:2]).transpose(1, 2)

    def tokens(self, captions: list[str]) -> Tensor:
        """The captions as token numbers [n, TEXT_LENGTH]."""
        found = self.tokenizer(captions, padding="max_length", max_length=architecture.TEXT_LENGTH, return_tensors="pt")
        return sent(found.input_ids, self.device)

    def loss(
        self, latents: Tensor, tokens: Tensor, high_noise_share: float = HIGH_NOISE_SHARE
    ) -> tuple[Tensor, dict[str, Tensor]]:
        n, _, frames = latents.shape[:3]
        t = torch.randint(0, 1000, (n,), device=self.device)
        high = torch.randint(500, 1000, (n,), device=self.device)
        t = torch.where(torch.rand(n, device=self.device) < high_noise_share, high, t)
        noise = torch.randn_like(latents)
        alpha = self.alphas[t].view(-1, 1, 1, 1, 1)
        noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
        with torch.autocast(self.device.type, torch.bfloat16):
            text = self.text_encoder(tokens)[0].repeat_interleave(frames, 0)
            predicted = self.unet(noisy, t, text, return_dict=False)[0]
        errors = (predicted.float() - noise).pow(2).mean((1, 2, 3, 4))
        loss = (errors * self.weights[t]).mean()
        in_high_noise = torch.where(t > HIGH_NOISE, (errors * self.weights[t]).detach(), torch.nan).nanmean()
        return loss, {"eps_mse": errors.mean(), "loss": loss, "high_noise": in_high_noise}


def _autoencoder(state: Path) -> AutoencoderKL:
    """The autoencoder trained here, otherwise the shipped one."""
    trained = state / "vae"
    return AutoencoderKL.from_pretrained(trained if trained.exists() else SHIPPED / "vae", low_cpu_mem_usage=False)


def fastest_processors(unet: UNetMotionModel) -> dict[str, AttentionProcessor]:
    """Fused attention is faster for the long rows of spatial self-attention, the explicit form for short rows.

    On a GPU, the fused kernels also reject as many short rows as a batch of clips has.
    """
    fused, explicit = AttnProcessor2_0(), ExplicitAttention()
    return {name: explicit if "motion_modules" in name or ".attn2." in name else fused for name in unet.attn_processors}


@contextmanager
def motion_modules_bypassed(unet: nn.Module, bypass: bool) -> Iterator[None]:
    """Each motion module returns its input, so that single frames train only the image model."""
    modules = [m for m in unet.modules() if isinstance(m, AnimateDiffTransformer3D)] if bypass else []
    for module in modules:
        module.forward = lambda hidden_states, *_, **__: hidden_states
    try:
        yield
    finally:
        for module in modules:
            del module.forward


def train(stage: str, run: Run) -> None:
    """Trains 'frames' or 'clips'. The first run of 'clips' starts from the averaged parameters of 'frames', or from the
    shipped model if there are none."""
    model = Denoiser(run)
    parts = [model.unet, model.text_encoder]
    if stage == "clips" and not has_state(run.state, "clips"):
        if has_state(run.state, "frames"):
            load_average(run.state, "frames", parts)
        else:
            model.load_shipped()
    averaging = 0.998 if stage == "frames" else 0.9985
    trainer = Trainer(stage, parts, run, rate=RATES[stage], decay=1e-2, averaging=averaging)
    count = run.batch_of(*BATCHES[stage])
    length = 1 if stage == "frames" else FRAMES if run.compiled else None
    batches = feed(Batches(trainer.done_steps, count, length, shapes=not run.compiled), run.device)
    encoded = ((model.encode(draw(b.scenes, b.size)), model.tokens(b.captions)) for b in batches)
    uses = 1 if run.device.type == "cpu" else USES
    source = reused(encoded, uses, np.random.default_rng(trainer.done_steps))
    if run.compiled:
        model.unet.compile()
    with motion_modules_bypassed(model.unet, stage == "frames"):
        trainer.run(source, model.loss, count)
