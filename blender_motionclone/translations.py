"""The add-on's words in other languages: locale/LANGUAGE/*.toml, a table for each of Blender's contexts."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import bpy

FOLDER = Path(__file__).parent / "locale"
NAMES = {"de": ("de_DE", "de")}  # as Blender 4 and 5 call a file's language


@cache
def read_translations(folder: Path) -> dict[str, dict[tuple[str, str], str]]:
    """{language: {(context, English): translation}}, as Blender wants it."""
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
