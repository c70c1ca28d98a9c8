"""The cost of training: floating-point operations per clip, and how fast the device draws and trains."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from .denoiser import BATCHES, Denoiser
from .feeding import Batches, feed
from .trainer import Run
from .world import FRAMES, SIZE, draw

ROUNDS = 5


def measure(run: Run) -> dict[str, float | str]:
    """For square clips of 16 frames: GFLOP to encode and to train one (forward and backward), and clips per second that
    are chosen, drawn, encoded and trained."""
    model = Denoiser(run)
    if run.compiled:
        model.unet.compile()
    count = run.batch_of(*BATCHES["clips"])
    source = feed(Batches(0, count, FRAMES, shapes=False), run.device)
    batch = next(source)
    clips = draw(batch.scenes, SIZE)
    latents, tokens = model.encode(clips), model.tokens(batch.captions)

    def train() -> None:
        model.loss(latents, tokens)[0].backward()

    train()  # warms up
    figures: dict[str, float | str] = {"device": _name(run.device), "batch": count}
    for name, work in (("encode", lambda: model.encode(clips)), ("train", train)):
        with FlopCounterMode(display=False) as counter:
            work()
        figures[f"{name}_gflop"] = round(counter.get_total_flops() / count / 1e9, 2)
    works: dict[str, Callable[[], object]] = {
        "chosen": lambda: next(source),
        "drawn": lambda: draw(batch.scenes, SIZE),
        "encoded": lambda: model.encode(clips),
        "trained": train,
    }
    for name, work in works.items():
        figures[f"{name}_per_second"] = round(count / _seconds(work, run.device), 1)
    return figures


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    begin = time.perf_counter()
    for _ in range(ROUNDS):
        work()
    _wait(device)
    return (time.perf_counter() - begin) / ROUNDS


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
