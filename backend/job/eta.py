"""How long a job will still take, from what its steps took so far. Without torch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ExpectedStage:
    """A stage to come. passes: what each of its steps costs, in any unit that all stages share, such as passes through
    the model; seconds: what it takes besides, as far as that is known before."""

    name: str
    passes: Sequence[float] = ()
    seconds: float = 0.0


class EtaEstimator:
    """Of one job. Steps of the same cost take as long as those that were measured; others so much longer or shorter as
    they cost more or less."""

    def __init__(self) -> None:
        self._ahead: list[ExpectedStage] = []
        self._now, self._since = ExpectedStage(""), time.monotonic()
        self._took: dict[float, float] = {}  # seconds of the present stage's steps, all in all, by their cost
        self._made: dict[float, int] = {}  # how many they are
        self._unit: float | None = None  # seconds, as the last stage with steps had it

    def plan(self, stages: Sequence[ExpectedStage]) -> None:
        """In their order. What is not named here counts for nothing until it runs."""
        self._ahead = list(stages)

    def begin(self, name: str, steps: int, done: int) -> None:
        """done: steps that were made earlier, by another process."""
        names = [stage.name for stage in self._ahead]
        stage = ExpectedStage(name, [1.0] * steps)
        if name in names:
            index = names.index(name)
            stage, self._ahead = self._ahead[index], self._ahead[index + 1 :]
        self._now = ExpectedStage(name, stage.passes[done:], stage.seconds)
        self._took, self._made, self._since = {}, {}, time.monotonic()

    def step(self) -> None:
        now = time.monotonic()
        cost, *rest = self._now.passes or [1.0]
        self._took[cost] = self._took.get(cost, 0.0) + now - self._since
        self._made[cost] = self._made.get(cost, 0) + 1
        self._unit = sum(self._took.values()) / sum(cost * made for cost, made in self._made.items())
        self._now, self._since = ExpectedStage(self._now.name, rest, self._now.seconds), now

    def left(self) -> float | None:
        """Seconds until the job is done; None while too little is known."""
        stages = [self._now, *self._ahead]
        if self._unit is None and any(stage.passes for stage in stages):
            return None
        unit = self._unit or 0.0
        steps = sum(self._took[c] / self._made[c] if c in self._made else c * unit for c in self._now.passes)
        later = sum(unit * sum(stage.passes) for stage in self._ahead)
        return steps + later + sum(stage.seconds for stage in stages) or None
