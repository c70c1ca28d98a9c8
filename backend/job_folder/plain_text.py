"""Makes untrusted text safe to display and to print in a terminal. Standard library only."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import fields, replace
from typing import Any

MAX_TEXT = 10_000  # characters shown to the user; the log has the rest
# Terminal control sequences for colors, titles and links. An unterminated one extends to the end of the line.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]?|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|.)?|\x9b[0-?]*[ -/]*[@-~]?")
_JOINERS = "\u200c\u200d"  # needed by Persian, Indic scripts and emoji


def clean(text: str, most: int = MAX_TEXT) -> str:
    """Removes escape sequences, control characters, invisible characters and marks that change the writing direction.

    Keeps at most `most` characters. Newlines stay, and tabs become spaces.
    """
    text = _ESCAPES.sub("", text[: 4 * most]).replace("\r\n", "\n")
    text = "".join(filter(None, map(_shown, text)))
    return text if len(text) <= most else text[: max(0, most - 3)] + "..."


def plain(message: Any) -> Any:
    """The message with all its text cleaned. For messages from a worker, where all text is for the user."""
    words = {f.name: getattr(message, f.name) for f in fields(message) if str(f.type) in ("str", "str | None")}
    cleaned = {name: clean(text) for name, text in words.items() if text}
    return replace(message, **cleaned) if any(words[name] != text for name, text in cleaned.items()) else message


def _shown(character: str) -> str:
    if character == "\n" or character in _JOINERS:
        return character
    kind = unicodedata.category(character)
    if kind in ("Zl", "Zp") or character in "\t\r\v\f":
        return " "
    if kind == "Cs":  # from a path whose bytes are not valid text
        return "?"
    return "" if kind in ("Cc", "Cf", "Co", "Cn") else character
