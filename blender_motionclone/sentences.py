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
    found = ((template, pattern.fullmatch(text)) for template, pattern in _patterns())
    return next(((template, match.groups()) for template, match in found if match), (text, ()))


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    languages = read_translations(FOLDER).values()
    templates = {text for words in languages for context, text in words if context == "*" and BLANK in text}
    by_words = sorted(templates, key=lambda text: (-len(text), text))
    return [(text, re.compile("(.+?)".join(map(re.escape, text.split(BLANK))), re.DOTALL)) for text in by_words]
