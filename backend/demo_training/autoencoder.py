"""Stage 1: trains the autoencoder on newly drawn single frames, then whitens its latents."""

from __future__ import annotations

from functools import partial

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from . import architecture
from .feeding import Batches, feed
from .trainer import Run, Trainer
from .world import draw

BATCHES = (8, 64)  # frames per step on a CPU, on a GPU
RATE = 2e-3
WHITENED_FRAMES = 512


def to_pixels(frames: Tensor) -> Tensor:
    """Converts uint8 [..., H, W, 3] to float [n, 3, H, W] in -1..1, channels last."""
    pixels = frames.flatten(0, -4).permute(0, 3, 1, 2).float() / 127.5 - 1
    return pixels.contiguous(memory_format=torch.channels_last)


def reconstruction_loss(vae: AutoencoderKL, pixels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    with torch.autocast(pixels.device.type, torch.bfloat16):
        posterior = vae.encode(pixels).latent_dist
        out = vae.decode(posterior.sample()).sample
    error = out.float() - pixels
    l1, mse = error.abs().mean(), error.pow(2).mean()
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    tint = functional.avg_pool2d(error, 8).abs().mean()  # keeps flat colors true
    kl = posterior.kl().mean() / posterior.mean[0].numel()
    loss = 0.5 * l1 + 2 * mse + 0.12 * edges + 0.7 * tint + 2e-4 * kl
    return loss, {"psnr": 10 * torch.log10(4 / mse.detach()), "kl": kl}


def train(run: Run) -> None:
    vae = architecture.autoencoder().to(run.device, memory_format=torch.channels_last)
    trainer = Trainer("autoencoder", [vae], run, rate=RATE, decay=1e-4, averaging=0.998)
    count = run.batch_of(*BATCHES)
    batches = feed(Batches(trainer.done_steps, count, frames=1, shapes=False), run.device)
    loss = torch.compile(reconstruction_loss) if run.compiled else reconstruction_loss
    trainer.run(((to_pixels(draw(b.scenes, b.size)),) for b in batches), partial(loss, vae), count)
    trainer.use_average()
    whiten(vae)
    vae.to("cpu", memory_format=torch.contiguous_format).save_pretrained(run.state / "vae")


@torch.no_grad()
def whiten(vae: AutoencoderKL) -> None:
    """Gives every latent channel mean 0 and standard deviation 1, by folding an affine map into quant_conv and
    post_quant_conv.

    Decoded pictures stay the same, and the scaling factor is 1.
    """
    batch = next(iter(Batches(77, WHITENED_FRAMES, frames=1, shapes=False)))
    pixels = to_pixels(draw(batch.scenes.to(vae.device), batch.size))
    means = torch.cat([vae.encode(part).latent_dist.mean for part in pixels.split(32)])
    mean, deviation = means.mean((0, 2, 3)), means.std((0, 2, 3))
    to_latent, from_latent = vae.quant_conv, vae.post_quant_conv
    to_latent.weight[:4] /= deviation.view(-1, 1, 1, 1)
    to_latent.bias[:4] = (to_latent.bias[:4] - mean) / deviation
    to_latent.bias[4:] -= 2 * deviation.log()
    from_latent.bias += from_latent.weight[:, :, 0, 0] @ mean
    from_latent.weight *= deviation.view(1, -1, 1, 1)
