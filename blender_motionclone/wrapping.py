"""Splits a text into sentences, and into lines of a width in pixels. Without bpy."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..backend.job_folder.plain_text import clean

Measure = Callable[[str], float]  # a text's width in pixels
MAX_SHOWN = 2000  # characters; measuring a longer text at each redraw would block Blender


def shown(text: str) -> str:
    """Makes a stranger's text safe to draw: without control characters and marks that change the writing direction, and
    limited in length."""
    return text if len(text) <= MAX_SHOWN and text.isprintable() else clean(text, MAX_SHOWN)


def shown_line(text: str) -> str:
    """The same for a single line."""
    return " ".join(shown(text).split("\n"))


def sentences_of(text: str) -> list[str]:
    return re.split(r"(?<=[.!?]) (?=[A-Z/{])", text)


def wrap(text: str, width: float, measure: Measure) -> list[str]:
    """The lines of the text, none wider than `width` unless a single character is. Words that are too long, such as
    paths, are broken anywhere, so that all of the text can be read."""
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
    """The text, or its beginning and "..." if it is wider than `width`. For texts that can be read in full
    elsewhere."""
    if measure(text) <= width:
        return text
    while text and measure(f"{text}...") > width:
        text = text[:-1].rstrip()
    return f"{text}..."


def _pieces(word: str, width: float, measure: Measure) -> list[str]:
    """At least one piece, each with at least one character."""
    pieces = []
    while measure(word) > width and len(word) > 1:
        end = 1
        while end < len(word) and measure(word[: end + 1]) <= width:
            end += 1
        pieces.append(word[:end])
        word = word[end:]
    return [*pieces, word] if word else pieces
