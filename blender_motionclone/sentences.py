"""Sentences with names, numbers and paths in them, in the language of Blender's interface."""

from __future__ import annotations

import re
from functools import lru_cache

from bpy.app.translations import pgettext_iface as iface_

from .translations import FOLDER, read_translations

BLANK = "{}"


def sentence(text: str) -> str:
    """The text as its template is translated, filled in with the same words; as it is where there is no template."""
    template, words = _recognised(text)
    translated = iface_(template)
    return text if translated == template else translated.format(*words)


@lru_cache(maxsize=256)
def _recognised(text: str) -> tuple[str, tuple[str, ...]]:
    """The template that the text was made of, and what stands in its blanks. Of several, the one with the most words
    of its own."""
    found = ((template, _words_in(text, template)) for template in _templates())
    return next(((template, words) for template, words in found if words), (text, ()))


def _words_in(text: str, template: str) -> tuple[str, ...]:
    """What stands in the template's blanks; () when the text was made of another."""
    parts = template.split(BLANK)
    if not (text.startswith(parts[0]) and text.endswith(parts[-1])):  # most are told apart without a pattern
        return ()
    match = re.fullmatch("(.+?)".join(map(re.escape, parts)), text, re.DOTALL)
    return match.groups() if match else ()


@lru_cache(maxsize=1)
def _templates() -> list[str]:
    languages = read_translations(FOLDER).values()
    templates = {text for words in languages for context, text in words if context == "*" and BLANK in text}
    return sorted(templates, key=lambda text: (-len(text), text))
