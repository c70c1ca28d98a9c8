"""Two processes of one thread, gradients averaged, parameters smoothed, resumable: how two CPU cores train best."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..wire.writing import replaced

SAVE_SECONDS = 150.0
LOG_STEPS = 25


class Trainer:
    """Trains the parameters of `modules`, going on from `<state>/<name>.pt` when it is there.

    The learning rate warms up, then stays; with `cool_down` it falls along a cosine over the run's minutes, which ends
    a stage well. `average` is the exponential moving average of the parameters, the version that is shipped.
    """

    def __init__(
        self, name: str, modules: Iterable[nn.Module], state: Path, *, rate: float, decay: float, averaging: float
    ):
        self.name, self.path, self.rate, self.averaging = name, state / f"{name}.pt", rate, averaging
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        self.params = [p for m in modules for p in m.parameters() if p.requires_grad]
        # One flat gradient buffer for good: one all-reduce a step, and no memory growth from fresh gradients.
        self.gradient = torch.zeros(sum(p.numel() for p in self.params))
        start = 0
        for p in self.params:
            p.grad = self.gradient.as_strided(p.shape, p.stride(), start)
            start += p.numel()
        self.optimiser = torch.optim.AdamW(self.params, rate, betas=(0.9, 0.99), weight_decay=decay, fused=True)
        self.average = [p.detach().clone() for p in self.params]
        self.done_steps = 0
        if self.path.exists():
            self._load()
        for p in (*self.params, *self.average):
            dist.broadcast(p.data, 0)

    def run(self, minutes: float, loss: Callable[[], tuple[Tensor, dict[str, float]]], cool_down: bool = False) -> None:
        """loss: draws a batch and returns the loss to descend and figures to log. Every rank calls it."""
        begin = saved = time.monotonic()
        history: list[dict[str, float]] = []
        while (share := self._agreed((time.monotonic() - begin) / (60 * minutes))) < 1:
            fall = 0.5 * (1 + math.cos(math.pi * share)) if cool_down else 1.0
            self.optimiser.param_groups[0]["lr"] = (
                self.rate * min(1, (self.done_steps + 1) / 100) * (0.01 + 0.99 * fall)
            )
            value, figures = loss()
            value.backward()
            self._step()
            history.append(figures)
            if self.rank == 0 and self.done_steps % LOG_STEPS == 0:
                self._log(history[-4 * LOG_STEPS :], time.monotonic() - begin, len(history))
                if time.monotonic() - saved > SAVE_SECONDS:
                    self.save()
                    saved = time.monotonic()
        if self.rank == 0:
            self.save()

    def use_average(self) -> None:
        """Puts the smoothed parameters into the modules."""
        for p, smooth in zip(self.params, self.average):
            p.data.copy_(smooth)

    def save(self) -> None:
        content = {
            "params": [p.detach() for p in self.params],
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "steps": self.done_steps,
        }
        with replaced(self.path) as file:
            torch.save(content, file)

    def _load(self) -> None:
        content = torch.load(self.path, weights_only=True)
        for p, value, smooth, stored in zip(self.params, content["params"], self.average, content["average"]):
            p.data.copy_(value)
            smooth.copy_(stored)
        self.optimiser.load_state_dict(content["optimiser"])
        self.done_steps = content["steps"]

    def _agreed(self, share: float) -> float:
        value = torch.tensor([share], dtype=torch.float64)
        dist.broadcast(value, 0)
        return float(value)

    def _step(self) -> None:
        dist.all_reduce(self.gradient)
        self.gradient /= self.world
        norm = float(self.gradient.norm())
        if math.isfinite(norm):
            self.gradient *= min(1.0, 1.0 / (norm + 1e-6))
            self.optimiser.step()
        self.gradient.zero_()
        self.done_steps += 1
        keep = min(self.averaging, (1 + self.done_steps) / (10 + self.done_steps))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.params], 1 - keep)

    def _log(self, history: list[dict[str, float]], seconds: float, steps: int) -> None:
        keys = {key: None for figures in history for key in figures}
        means = {key: round(float(np.mean([h[key] for h in history if key in h])), 5) for key in keys}
        line = {
            "stage": self.name,
            "step": self.done_steps,
            "seconds": round(seconds),
            "per_second": round(steps / seconds, 2),
        }
        print(json.dumps(line | means), flush=True)
