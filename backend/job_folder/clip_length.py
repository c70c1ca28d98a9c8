"""How many frames a clip has, and the contexts in which it is generated. Standard library only."""

from __future__ import annotations

from math import ceil

MAX_FRAMES = 1000


def automatic_frames(shot_frames: int, fps: float, own: int, rate: int) -> int:
    """Returns the number of frames of frames=auto.

    It is the model's rate for the duration of the shot, but not more than the shot has, and at least the model's own.
    rate: in frames per second; 0 if the model generates only its own number of frames.
    """
    return max(own, min(round(shot_frames / fps * rate), shot_frames, MAX_FRAMES))


def context_length(chosen: int | None, frames: int | None, own: int, most: int) -> int:
    """Returns the number of frames that the model generates at once.

    chosen, frames: the settings context_length and frames, None for auto. own, most: the model's number of frames, and
    the most that it generates at once. As many frames as were asked for are generated at once, if that is possible.
    """
    return chosen or (frames if frames and frames <= most else own)


def context_overlap(chosen: int | None, length: int) -> int:
    """Returns the number of frames that neighboring contexts share. chosen: the setting, None for auto."""
    return length // 4 if chosen is None else chosen


def context_count(frames: int, length: int, overlap: int) -> int:
    """Returns in how many contexts a clip is generated."""
    return 1 if frames <= length else max(1, ceil((frames - overlap) / max(1, length - overlap)))
