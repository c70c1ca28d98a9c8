"""Estimates the time left of a job from the duration of its steps. Does not import torch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ExpectedStage:
    """A stage that has not run yet.

    passes: the cost of each step, in a unit that all stages share, such as passes through the model. seconds: its
    expected duration besides the steps.
    """

    name: str
    passes: Sequence[float] = ()
    seconds: float = 0.0


class EtaEstimator:
    """The estimator of one job.

    Steps of the same cost are expected to take as long as the measured ones; the duration of others is in proportion
    to their cost.
    """

    def __init__(self) -> None:
        self._ahead: list[ExpectedStage] = []
        self._now, self._since = ExpectedStage(""), time.monotonic()
        self._took: dict[float, float] = {}  # total seconds of the steps of this stage, by their cost
        self._made: dict[float, int] = {}  # the number of these steps
        self._unit: float | None = None  # seconds per unit of cost, in the last stage that had steps

    def plan(self, stages: Sequence[ExpectedStage]) -> None:
        """Sets the stages to come, in order. A stage that is not among them does not count until it runs."""
        self._ahead = list(stages)

    def begin(self, name: str, steps: int, done: int) -> None:
        """Begins a stage. done: the number of steps that an earlier process has finished."""
        names = [stage.name for stage in self._ahead]
        stage = ExpectedStage(name, [1.0] * steps)
        if name in names:
            index = names.index(name)
            stage, self._ahead = self._ahead[index], self._ahead[index + 1 :]
        self._now = ExpectedStage(name, stage.passes[done:], stage.seconds)
        self._took, self._made, self._since = {}, {}, time.monotonic()

    def step(self) -> None:
        """Records that a step is finished."""
        now = time.monotonic()
        cost, *rest = self._now.passes or [1.0]
        self._took[cost] = self._took.get(cost, 0.0) + now - self._since
        self._made[cost] = self._made.get(cost, 0) + 1
        self._unit = sum(self._took.values()) / sum(cost * made for cost, made in self._made.items())
        self._now, self._since = ExpectedStage(self._now.name, rest, self._now.seconds), now

    def left(self) -> float | None:
        """Returns the seconds until the job is done, None while too little is known."""
        stages = [self._now, *self._ahead]
        if self._unit is None and any(stage.passes for stage in stages):
            return None
        unit = self._unit or 0.0
        steps = sum(self._took[c] / self._made[c] if c in self._made else c * unit for c in self._now.passes)
        later = sum(unit * sum(stage.passes) for stage in self._ahead)
        return steps + later + sum(stage.seconds for stage in stages) or None
