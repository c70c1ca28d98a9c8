"""Breaks a text into its sentences, and into lines that fit a width in pixels. Without bpy."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..backend.job_folder.plain_text import clean

Measure = Callable[[str], float]  # a text's width in pixels
MOST_SHOWN = 2000  # characters: to measure and draw a longer text at each redraw would hold Blender up


def shown(text: str) -> str:
    """A text that may come from a stranger, as it may be drawn: without control characters and without marks that
    turn the direction of writing, and not endless."""
    return text if len(text) <= MOST_SHOWN and text.isprintable() else clean(text, MOST_SHOWN)


def shown_line(text: str) -> str:
    """The same for what is drawn as one line."""
    return " ".join(shown(text).split("\n"))


def sentences_of(text: str) -> list[str]:
    return re.split(r"(?<=[.!?]) (?=[A-Z/])", text)


def wrap(text: str, width: float, measure: Measure) -> list[str]:
    """The text's lines, none wider than `width` unless a single letter is. A word that is too long for a line, such as
    a path, is broken between letters: text that is cut off cannot be read at all."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if measure(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        *full, line = _pieces(word, width, measure)
        lines += full
    return [*lines, line] if line else lines


def shortened(text: str, width: float, measure: Measure) -> str:
    """The text, or its beginning and "..." where it is wider than `width`; for what can be read in full elsewhere."""
    if measure(text) <= width:
        return text
    while text and measure(f"{text}...") > width:
        text = text[:-1].rstrip()
    return f"{text}..."


def _pieces(word: str, width: float, measure: Measure) -> list[str]:
    """At least one piece; each holds at least a letter."""
    pieces = []
    while measure(word) > width and len(word) > 1:
        end = 1
        while end < len(word) and measure(word[: end + 1]) <= width:
            end += 1
        pieces.append(word[:end])
        word = word[end:]
    return [*pieces, word] if word else pieces
