"""The interface in other languages: locale/LANGUAGE/*.toml, and sentences with names and numbers in them."""

from __future__ import annotations

import re
import sys
import tomllib
from functools import cache
from pathlib import Path

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ..backend.job_folder.problem import Sentence, fill
from .wrapping import sentences_of, shown

FOLDER = Path(__file__).parent / "locale"
NAMES = {"de": ("de_DE", "de")}  # names of the language in Blender 4 and 5
BLANK = "{}"


@cache
def read_translations(folder: Path) -> dict[str, dict[tuple[str, str], str]]:
    """{language: {(context, English): translation}}, the format that Blender needs."""
    found: dict[str, dict[tuple[str, str], str]] = {}
    for path in sorted(folder.glob("*/*.toml")):
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        words = {(context, text): said for context, table in tables.items() for text, said in table.items()}
        for name in NAMES.get(path.parent.name, (path.parent.name,)):
            found.setdefault(name, {}).update(words)
    return found


def register() -> None:
    bpy.app.translations.register(__package__, read_translations(FOLDER))


def unregister() -> None:
    bpy.app.translations.unregister(__package__)


def sentence(text: str) -> str:
    """Translates a text: a Sentence by its template, with its values filled in. Commands are adapted to this system."""
    said = _translated(text)
    return said.replace("python3 -m install", "py -m install") if sys.platform == "win32" else said


def _translated(text: str) -> str:
    parts = sentences_of(text)
    if len(parts) > 1:
        said = [_translated(part) for part in parts]
        if all(one != other for one, other in zip(said, parts, strict=True)):
            return " ".join(said)
    template, words = _match(text)
    translated = iface_(template)
    if translated == template:
        return text
    return translated.format(*(_translated(word) if word.endswith(".") else word for word in words))


@lru_cache(maxsize=256)
def _match(text: str) -> tuple[str, tuple[str, ...]]:
    """The template that the text was made from, and the words in its blanks. Of several, the one with the most own
    words."""
    found = ((template, _words_in(text, template)) for template in _templates())
    return next(((template, words) for template, words in found if words), (text, ()))


def _words_in(text: str, template: str) -> tuple[str, ...]:
    """The words in the template's blanks, as short as possible; () when the text does not match. Its duration is linear
    even for hostile texts."""
    first, *between, last = template.split(BLANK)
    end = len(text) - len(last)
    if not (text.startswith(first) and text.endswith(last)) or len(first) >= end:
        return ()
    words, start = [], len(first)
    for part in between:
        found = text.find(part, start + 1, end)
        if found < 0:
            return ()
        words.append(text[start:found])
        start = found + len(part)
    return (*words, text[start:end]) if start < end else ()


@lru_cache(maxsize=1)
def _templates() -> list[str]:
    languages = read_translations(FOLDER).values()
    templates = {text for words in languages for context, text in words if context == "*" and BLANK in text}
    return sorted(templates, key=lambda text: (-len(text), text))
