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
    said = shown(_translated(text))  # together, values can be longer than what a redraw can measure
    return said.replace("python3 -m install", "py -m install") if sys.platform == "win32" else said


def _translated(text: str) -> str:
    if not isinstance(text, Sentence):
        return _template(shown(text))
    values = {k: _translated(v) if isinstance(v, Sentence) else shown(v) for k, v in text.values.items()}
    return fill(_template(shown(text.template)), values)


def _template(text: str) -> str:
    """Translates a template as a whole, or each of its sentences by itself if all are known."""
    translated = iface_(text)
    if translated == text:
        parts = [(part, iface_(part)) for part in sentences_of(text)]
        if all(part != said or re.fullmatch(r"\{\w+\}", part) for part, said in parts):
            return " ".join(said for _, said in parts)
    return translated
