"""How long a job will still take, from what its steps took so far. Without torch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Ahead:
    """A stage to come. passes: what each of its steps costs, in any unit that all stages share, such as passes through
    the model; seconds: what it takes besides, as far as that is known before."""

    name: str
    passes: Sequence[float] = ()
    seconds: float = 0.0


class Pace:
    """Of one job. Its unit's seconds are measured in the stage that runs, or in the last that had steps."""

    def __init__(self) -> None:
        self._ahead: list[Ahead] = []
        self._now, self._done, self._began = Ahead(""), 0.0, time.monotonic()
        self._unit: float | None = None

    def plan(self, stages: Sequence[Ahead]) -> None:
        """In their order. What is not named here counts for nothing until it runs."""
        self._ahead = list(stages)

    def begin(self, name: str, steps: int, done: int) -> None:
        """done: steps that were made earlier, by another process."""
        names = [stage.name for stage in self._ahead]
        stage = Ahead(name, [1.0] * steps)
        if name in names:
            place = names.index(name)
            stage, self._ahead = self._ahead[place], self._ahead[place + 1 :]
        self._now = Ahead(name, stage.passes[done:], stage.seconds)
        self._done, self._began = 0.0, time.monotonic()

    def step(self) -> None:
        cost, *rest = self._now.passes or [1.0]
        self._done += cost
        self._unit = (time.monotonic() - self._began) / self._done
        self._now = Ahead(self._now.name, rest, self._now.seconds)

    def left(self) -> float | None:
        """Seconds until the job is done; None while too little is known."""
        stages = [self._now, *self._ahead]
        passes = sum(sum(stage.passes) for stage in stages)
        if self._unit is None and passes:
            return None
        return passes * (self._unit or 0.0) + sum(stage.seconds for stage in stages) or None
