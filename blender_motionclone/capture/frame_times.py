"""When the model's frames are taken. Without bpy."""

from __future__ import annotations


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
