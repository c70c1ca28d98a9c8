"""Sentences with names, numbers and paths, which the add-on translates.

Same as in backend/job_folder/problem.py, because the installer must not import the backend. A test compares them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

_BLANK = re.compile(r"\{([a-z_][a-z_0-9]*)\}")


class Sentence(str):
    """English text with its blanks filled, which keeps its template and values: Sentence("{path} is full.", path=path).

    template: with a {name} for each value; values: text, or sentences, which are translated too.
    """

    template: str
    values: dict[str, str]

    def __new__(cls, template: str, /, **values: object) -> Sentence:
        if isinstance(template, Sentence):
            return template
        used = {name: _value(value) for name, value in values.items() if "{" + name + "}" in template}
        made = super().__new__(cls, _BLANK.sub(lambda blank: used.get(blank[1], blank[0]), template))
        made.template, made.values = template, used
        return made

    def about(self, **values: object) -> Sentence:
        """The sentence with these values, unless it has values already."""
        return self if self.values else Sentence(self.template, **values)


def templates_of(texts: Iterable[str]) -> list[dict[str, Any]]:
    """The templates and values of those texts that are sentences with blanks, for JSON."""
    return [_packed(text) for text in dict.fromkeys(texts) if isinstance(text, Sentence) and text.values]


def with_templates(texts: Iterable[str], templates: Iterable[dict[str, Any]]) -> list[str]:
    """The texts as sentences again, with the templates and values from `templates_of`."""
    known = {str(made): made for made in map(_unpacked, templates)}
    return [known.get(text, text) for text in texts]


def joined(texts: Sequence[str]) -> Sentence:
    """Several sentences as one, each still translated by itself."""
    names = [f"sentence{i}" for i in range(len(texts))]
    return Sentence(" ".join(f"{{{name}}}" for name in names), **dict(zip(names, map(Sentence, texts), strict=True)))


def _value(value: object) -> str:
    if isinstance(value, BaseException) and value.args and isinstance(value.args[0], Sentence):
        return value.args[0]
    return value if isinstance(value, Sentence) else str(value)


def _packed(text: str) -> Any:
    if not isinstance(text, Sentence):
        return text
    return {"template": text.template, "values": {name: _packed(value) for name, value in text.values.items()}}


def _unpacked(made: dict[str, Any]) -> Sentence:
    values = {name: value if isinstance(value, str) else _unpacked(value) for name, value in made["values"].items()}
    return Sentence(made["template"], **values)
