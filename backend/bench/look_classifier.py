"""A small network that recognizes what a frame of the demo world shows, so that blobs do not count as the right color.

`python -m backend.bench.look_classifier` trains it on newly drawn frames (a few minutes on one core) and prints its
accuracy on test frames.
"""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from ..clips.sizes import fit
from ..clips.tensors import to_pixels
from ..demo_training.world import SIZE
from .look_data import ANSWERS, IGNORED, draw_frames

WEIGHTS = Path(__file__).with_name("look_classifier.safetensors")
CLEAN = 0.5  # a clip counts as clean above this mean probability
TRAIN_SEED, TEST_SEED = 424_242, 515_151


class LookClassifier(nn.Module):
    """float [B, 3, 128, 128] in -1..1 -> for each question of ANSWERS the logits [B, answers]."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 12, 24, 40, 64, 96)
        layers: list[nn.Module] = []
        for before, after in zip(widths, widths[1:]):
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.trunk = nn.Sequential(*layers)
        self.heads = nn.ModuleDict({question: nn.Linear(2 * widths[-1], len(a)) for question, a in ANSWERS.items()})

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        features = self.trunk(pixels)
        pooled = torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1)
        return {question: head(pooled) for question, head in self.heads.items()}


def look_seen(clip: np.ndarray) -> dict[str, str | float]:
    """What uint8 [F, H, W, 3] shows, over all frames: the most likely shape and colors, and `clean`, the mean
    probability 0..1 that a frame is a clean picture of the demo world."""
    with torch.inference_mode():
        answers = trained()(to_pixels(fit(clip, SIZE)))
    means = {question: logits.softmax(1).mean(0) for question, logits in answers.items()}
    seen: dict[str, str | float] = {q: ANSWERS[q][int(p.argmax())] for q, p in means.items() if q != "clean"}
    return seen | {"clean": float(means["clean"][1])}


@functools.cache
def trained() -> LookClassifier:
    model = LookClassifier()
    model.load_state_dict({name: value.float() for name, value in load_file(WEIGHTS).items()}, strict=False)
    return model.eval()


def train(count: int = 16_000, epochs: int = 14, batch: int = 64) -> LookClassifier:
    """Trains on `count` drawn frames, each used `epochs` times with new augmentation."""
    torch.manual_seed(0)
    frames, labels = draw_frames(np.random.default_rng(TRAIN_SEED), count)
    answers = torch.from_numpy(labels)
    model = LookClassifier().train()
    steps = epochs * count // batch
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    for step in range(steps):
        chosen = torch.randint(count, (batch,))
        loss = _loss(model(_augmented(to_pixels(frames[chosen.numpy()]))), answers[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 250 == 0:
            print(f"step {step}/{steps}, loss {loss.item():.3f}", flush=True)
    return model.eval()


def _loss(answers: dict[str, Tensor], labels: Tensor) -> Tensor:
    total = torch.zeros(())
    for column, logits in enumerate(answers.values()):
        target = labels[:, column]
        if (target != IGNORED).any():
            total = total + functional.cross_entropy(logits, target, ignore_index=IGNORED)
    return total


def _augmented(pixels: Tensor) -> Tensor:
    """Mirrored, blurred, tinted and noisy frames, within what decoding a latent may do to a clean picture."""
    if torch.rand(()) < 0.5:
        pixels = pixels.flip(3)
    softness = float(torch.rand(()) * 0.9) + 0.05
    x = torch.arange(-2, 3, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (x / softness) ** 2)
    kernel = (kernel / kernel.sum()).expand(3, 1, 1, 5)
    padded = functional.pad(pixels, (2, 2, 2, 2), mode="replicate")
    pixels = functional.conv2d(functional.conv2d(padded, kernel, groups=3), kernel.mT, groups=3)
    tint = 1 + 0.07 * torch.randn(len(pixels), 3, 1, 1)
    pixels = (pixels + 1) * tint - 1 + 0.04 * torch.randn(len(pixels), 3, 1, 1)
    return pixels + 0.08 * torch.rand(()) * torch.randn_like(pixels)


def accuracy(model: LookClassifier, frames: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The share of right answers per question, among those asked."""
    with torch.inference_mode():
        parts = [model(to_pixels(frames[k : k + 64])) for k in range(0, len(frames), 64)]
    answers = {question: torch.cat([part[question] for part in parts]) for question in parts[0]}
    shares = {}
    for column, (question, logits) in enumerate(answers.items()):
        asked = labels[:, column] != IGNORED
        shares[question] = float((logits.argmax(1).numpy() == labels[:, column])[asked].mean())
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the look classifier of the bench.")
    parser.add_argument("--frames", type=int, default=16_000)
    parser.add_argument("--epochs", type=int, default=14)
    options = parser.parse_args()
    model = train(options.frames, options.epochs)
    kept = {n: v.half().contiguous() for n, v in model.state_dict().items() if v.is_floating_point()}
    save_file(kept, WEIGHTS)
    trained.cache_clear()
    for name, plain in (("clean renders", True), ("with spoiled frames and other colors", False)):
        shares = accuracy(trained(), *draw_frames(np.random.default_rng(TEST_SEED), 1500, plain))
        print(name, ", ".join(f"{question} {share:.1%}" for question, share in shares.items()))


if __name__ == "__main__":
    main()
