"""The times of the model's frames, in the scene's time and in stretched time. Without bpy."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor

MAX = 900  # Blender's limit for either number of its time stretching


def frame_times(start: int, end: int, count: int) -> list[tuple[int, float]]:
    """`count` >= 2 evenly spaced times (frame, subframe in [0, 1)) from `start` to `end`, both included.

    Time k is start + k (end - start) / (count - 1), computed with whole numbers so that the last is exactly `end`.
    """
    if count < 2:
        raise ValueError(f"motion needs at least two frames, not {count}")
    times = []
    for k in range(count):
        whole, rest = divmod(k * (end - start), count - 1)
        times.append((start + whole, rest / (count - 1)))
    return times


@dataclass(frozen=True)
class StretchedTime:
    """old, new: Blender's time stretching; render frame x shows scene frame x * old / new. times: (frame, subframe) of
    the model's frames as render frames."""

    old: int
    new: int
    times: list[tuple[int, float]]


def stretched_time(start: int, end: int, count: int, scene: Fraction = Fraction(1)) -> StretchedTime | None:
    """The time stretching for `count` even frames from `start` to `end`. `scene` is the scene's own stretching: its
    frame x shows time x * scene. None when Blender's numbers cannot express it.

    Render engines give motion vectors from one render frame to the next, which is then exactly one step of the clip.
    """
    step = Fraction(end - start, count - 1)
    whole = step * scene
    if max(whole.numerator, whole.denominator) > MAX:
        return None
    first = start / step
    times = [first + k for k in range(count)]
    return StretchedTime(whole.numerator, whole.denominator, [(floor(t), float(t - floor(t))) for t in times])
