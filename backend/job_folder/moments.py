"""Prompts along time: `0: a street at dusk | 48: night falls`. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .prompt import PromptError

BEGIN = re.compile(r"\s*(\d{1,9})\s*:(?!\d)")
BORDER = re.compile(r"\|(?=\s*\d{1,9}\s*:(?!\d))")
MAX_MOMENTS = 100


@dataclass(frozen=True)
class Moment:
    """What the clip shows from `frame` on, a frame of the shot counted from 0. `text` is a prompt of its own."""

    frame: int
    text: str


def moments(prompt: str) -> tuple[Moment, ...]:
    """Returns the prompts along time in order; for an ordinary prompt, that prompt at frame 0.

    Raises PromptError if the frames are not in order, or the first is not 0.
    """
    if not BEGIN.match(prompt):
        return (Moment(0, prompt),)
    found: list[Moment] = []
    for part in BORDER.split(prompt):
        begin = BEGIN.match(part)
        assert begin is not None
        frame, text = int(begin[1]), part[begin.end() :].strip()
        if not found and frame > 0:
            raise PromptError(
                "The prompts along time begin at frame {frame}.",
                "Begin with frame 0, as in 0: a street | 48: a square.",
            ).about(frame=frame)
        if found and frame <= found[-1].frame:
            raise PromptError(
                "In the prompts along time, frame {frame} follows frame {before}.", "Put the frames in order."
            ).about(frame=frame, before=found[-1].frame)
        found.append(Moment(frame, text))
    if len(found) > MAX_MOMENTS:
        raise PromptError("There are {count} prompts along time; the maximum is {most}.", "Leave some out.").about(
            count=len(found), most=MAX_MOMENTS
        )
    return tuple(found)


def shares(along: Sequence[Moment], frame: float) -> list[tuple[int, float]]:
    """Returns the prompts that `frame` of the shot shows, as indices with shares that add up to 1.

    From each prompt's frame to the next one's, the first fades into the second; the last stays.
    """
    after = next((i for i, moment in enumerate(along) if moment.frame > frame), len(along))
    if after == len(along):
        return [(after - 1, 1.0)]
    first, second = along[after - 1].frame, along[after].frame
    share = (frame - first) / (second - first)
    return [(after - 1, 1 - share), (after, share)]
