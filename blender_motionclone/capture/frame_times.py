"""When the model's frames are taken, in the scene's time and in stretched time. Without bpy."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor


def frame_times(start: int, end: int, count: int) -> list[tuple[int, float]]:
    """(frame, subframe in [0, 1)) of `count` >= 2 times evenly from `start` to `end`, both included.

    The k-th is start + k (end - start) / (count - 1), in whole numbers so that the last is `end` exactly.
    """
    if count < 2:
        raise ValueError(f"motion needs at least two frames, not {count}")
    times = []
    for k in range(count):
        whole, rest = divmod(k * (end - start), count - 1)
        times.append((start + whole, rest / (count - 1)))
    return times


MOST = 900  # Blender's limit for either number of its time stretching


@dataclass(frozen=True)
class StretchedTime:
    """old, new: Blender's time stretching, render frame x shows scene frame x old / new. times: (frame, subframe) of
    the model's frames as render frames."""

    old: int
    new: int
    times: list[tuple[int, float]]


def stretched_time(start: int, end: int, count: int, scene: Fraction = Fraction(1)) -> StretchedTime | None:
    """For `count` frames evenly from frame `start` to `end` of a scene that is stretched itself: its frame x shows time
    x * scene. None where Blender's numbers cannot express it.

    Renderers give motion vectors from one render frame to the next, which is then exactly a step of the clip.
    """
    step = Fraction(end - start, count - 1)
    whole = step * scene
    if max(whole.numerator, whole.denominator) > MOST:
        return None
    first = start / step
    times = [first + k for k in range(count)]
    return StretchedTime(whole.numerator, whole.denominator, [(floor(t), float(t - floor(t))) for t in times])
