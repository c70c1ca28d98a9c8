"""How the add-on's timers do: how long they keep Blender from its user, and that no error ends them. Without bpy."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .errors import UserError

BUDGET = 0.005  # seconds that a tick may take; what is not done by then waits for the next


@dataclass
class Worst:
    """Milliseconds of the longest ticks. work: of the processor's time; clock: what passed meanwhile, which on a busy
    machine is more."""

    ticks: int = 0
    work: float = 0.0
    clock: float = 0.0


@dataclass
class Tick:
    """kind: under which name it is counted; may be changed while it lasts."""

    kind: str


_worst: dict[str, Worst] = {}


@contextmanager
def timed(kind: str) -> Iterator[Tick]:
    """Counts the block as a tick."""
    tick, clock, work = Tick(kind), time.perf_counter(), time.thread_time()
    try:
        yield tick
    finally:
        worst = _worst.setdefault(tick.kind, Worst())
        worst.ticks += 1
        worst.work = max(worst.work, 1000 * (time.thread_time() - work))
        worst.clock = max(worst.clock, 1000 * (time.perf_counter() - clock))


@contextmanager
def surviving(report_problem: Callable[[UserError], None]) -> Iterator[None]:
    """An unexpected error in the block ends the block and is told: Blender would drop the timer."""
    try:
        yield
    except Exception as error:
        traceback.print_exc()
        report_problem(UserError(f"Unexpected error: {error!r}.", "The system console has the details."))


def worst_ticks() -> dict[str, Worst]:
    """By kind."""
    return dict(_worst)


def report() -> str:
    """ "worker 0.7 ms of work, 2.1 ms by the clock (364 ticks); panels ...", for a developer."""
    texts = [
        f"{kind} {worst.work:.1f} ms of work, {worst.clock:.1f} ms by the clock ({worst.ticks} ticks)"
        for kind, worst in sorted(_worst.items())
    ]
    return "; ".join(texts) or "no timer has run yet"
