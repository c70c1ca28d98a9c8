"""Words of strangers as they may be shown and written to a terminal. Standard library only."""

from __future__ import annotations

import re
import unicodedata

MOST_TEXT = 2000  # characters of a sentence
# What terminals obey instead of showing: colors, titles, links. Up to the end of the line where it never ends.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]?|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|.)?|\x9b[0-?]*[ -/]*[@-~]?")
_JOINERS = "\u200c\u200d"  # needed by Persian, Indic scripts and emoji


def clean(text: str, most: int = MOST_TEXT) -> str:
    """Without escape sequences, control characters, marks that turn the direction of writing or cannot be seen, and
    halves of surrogate pairs; at most `most` characters. Newlines stay, tabs become spaces."""
    text = _ESCAPES.sub("", text[: 4 * most]).replace("\r\n", "\n")
    text = "".join(filter(None, map(_shown, text)))
    return text if len(text) <= most else text[: max(0, most - 3)] + "..."


def _shown(character: str) -> str:
    if character == "\n" or character in _JOINERS:
        return character
    kind = unicodedata.category(character)
    if kind in ("Zl", "Zp") or character in "\t\r\v\f":
        return " "
    return "" if kind in ("Cc", "Cf", "Cs", "Co", "Cn") else character
