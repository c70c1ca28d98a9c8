"""Measures how long the add-on's timers block Blender, and keeps errors from ending them. Without bpy."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..backend.job_folder.problem import Problem

BUDGET = 0.005  # seconds that a tick may take; the rest waits for the next one


@dataclass
class Longest:
    """Milliseconds of the longest ticks. work: processor time; clock: elapsed time, which is longer on a busy
    machine."""

    ticks: int = 0
    work: float = 0.0
    clock: float = 0.0


@dataclass
class Tick:
    """kind: the name under which it is counted; can be changed during the tick."""

    kind: str


_longest: dict[str, Longest] = {}


@contextmanager
def timed(kind: str) -> Iterator[Tick]:
    """Measures the block as one tick."""
    tick, clock, work = Tick(kind), time.perf_counter(), time.thread_time()
    try:
        yield tick
    finally:
        longest = _longest.setdefault(tick.kind, Longest())
        longest.ticks += 1
        longest.work = max(longest.work, 1000 * (time.thread_time() - work))
        longest.clock = max(longest.clock, 1000 * (time.perf_counter() - clock))


@contextmanager
def catching(report_problem: Callable[[Problem], None]) -> Iterator[None]:
    """An unexpected error ends only the block and is reported. Otherwise Blender would drop the timer."""
    try:
        yield
    except Exception as error:
        traceback.print_exc()
        report_problem(
            Problem("Unexpected error: {reason}.", "The system console has the details.").about(reason=repr(error))
        )


def longest_ticks() -> dict[str, Longest]:
    """The longest ticks by kind."""
    return dict(_longest)


def report() -> str:
    """For developers: "worker 0.7 ms of work, 2.1 ms by the clock (364 ticks); panels ..."."""
    texts = [
        f"{kind} {longest.work:.1f} ms of work, {longest.clock:.1f} ms by the clock ({longest.ticks} ticks)"
        for kind, longest in sorted(_longest.items())
    ]
    return "; ".join(texts) or "no timer has run yet"
