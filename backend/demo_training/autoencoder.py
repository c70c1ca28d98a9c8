"""Stage 1: the autoencoder, on single frames drawn endlessly; then its latents are whitened, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from . import architecture
from .moves import random_look, random_motion
from .trainer import Trainer
from .world import FRAMES, draw_clip

BATCH = 8
FRAMES_OF_A_MOTION = 2


def drawn_frames(rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Endless single frames, uint8 [64, 64, 3]; each motion gives a few, in different looks."""
    while True:
        motion = random_motion(rng)
        for f in rng.choice(FRAMES, FRAMES_OF_A_MOTION, replace=False):
            yield draw_clip(random_look(rng), motion, frames=[int(f)])[0]


def to_pixels(frames: np.ndarray) -> Tensor:
    """uint8 [n, H, W, 3] to float [n, 3, H, W] in -1..1, channels last."""
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return pixels.contiguous(memory_format=torch.channels_last)


def reconstruction_loss(vae: AutoencoderKL, pixels: Tensor) -> tuple[Tensor, dict[str, float]]:
    with torch.autocast("cpu", torch.bfloat16):
        posterior = vae.encode(pixels).latent_dist
        out = vae.decode(posterior.sample()).sample
    error = out.float() - pixels
    l1, mse = error.abs().mean(), error.pow(2).mean()
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    tint = functional.avg_pool2d(error, 4).abs().mean()  # keeps flat colours true
    kl = posterior.kl().mean() / (4 * 16 * 16)
    loss = 0.5 * l1 + 2 * mse + 0.12 * edges + 0.7 * tint + 2e-4 * kl
    return loss, {"psnr": float(10 * torch.log10(4 / mse.detach())), "kl": float(kl.detach())}


def train(state: Path, minutes: float, rank: int, cool_down: bool) -> None:
    vae = architecture.autoencoder().to(memory_format=torch.channels_last)
    trainer = Trainer("autoencoder", [vae], state, rate=2e-3, decay=1e-4, averaging=0.998)
    source = drawn_frames(np.random.default_rng([trainer.done_steps, rank]))

    def loss() -> tuple[Tensor, dict[str, float]]:
        return reconstruction_loss(vae, to_pixels(np.stack([next(source) for _ in range(BATCH)])))

    trainer.run(minutes, loss, cool_down)
    if rank == 0:
        trainer.use_average()
        vae.to(memory_format=torch.contiguous_format)
        whiten(vae)
        vae.save_pretrained(state / "vae")


@torch.no_grad()
def whiten(vae: AutoencoderKL) -> None:
    """Gives every latent channel mean 0 and deviation 1 by folding an affine map into quant_conv and post_quant_conv.

    The decoded picture stays the same, and the scaling factor can be 1.
    """
    source = drawn_frames(np.random.default_rng(77))
    pixels = to_pixels(np.stack([next(source) for _ in range(512)]))
    means = torch.cat([vae.encode(part).latent_dist.mean for part in pixels.split(32)])
    mean, deviation = means.mean((0, 2, 3)), means.std((0, 2, 3))
    to_latent, from_latent = vae.quant_conv, vae.post_quant_conv
    to_latent.weight[:4] /= deviation.view(-1, 1, 1, 1)
    to_latent.bias[:4] = (to_latent.bias[:4] - mean) / deviation
    to_latent.bias[4:] -= 2 * deviation.log()
    from_latent.bias += from_latent.weight[:, :, 0, 0] @ mean
    from_latent.weight *= deviation.view(1, -1, 1, 1)
