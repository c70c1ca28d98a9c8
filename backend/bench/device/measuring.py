"""Measures the time and memory of work on the current device."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TypeVar

import torch

from ...memory.device import choose_device, free_unused_memory

DEVICE = choose_device()[0]
IS_CARD = DEVICE.type == "cuda"
ROUNDS = 3 if IS_CARD else 1
Result = TypeVar("Result")


def wait() -> None:
    if IS_CARD:
        torch.cuda.synchronize()
    elif DEVICE.type == "mps":
        torch.mps.synchronize()


def timed(work: Callable[[], Result], rounds: int = ROUNDS) -> tuple[float, Result]:
    """The median seconds over the rounds, and the last result. Run the work once before to warm up."""
    seconds = []
    for _ in range(rounds):
        wait()
        begin = time.perf_counter()
        result = work()
        wait()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds), result


def peak(work: Callable[[], Result]) -> tuple[Result, int | None, int | None]:
    """The result, and the peak bytes allocated and reserved in addition to what was allocated before; None if
    unknown."""
    if not IS_CARD:
        return work(), None, None
    free_unused_memory()
    wait()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    result = work()
    wait()
    return result, torch.cuda.max_memory_allocated() - before, torch.cuda.max_memory_reserved() - before


def gigabytes(count: float | None) -> float | None:
    return None if count is None else count / 1e9
