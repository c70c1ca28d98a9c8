"""Errors and other sentences for the user, which are translated when they are displayed. Standard library only.

A sentence is written once, in English, with names for its variable parts: Sentence("{path} is an empty file.",
path=path). It behaves like the finished English text, and keeps its template and values for translation. JSON contains
the finished text and, under "templates", its parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from .plain_text import MAX_TEXT, clean

MAX_TEMPLATES, MAX_VALUES, MAX_NESTED = 64, 20, 4  # of a stranger's
_BLANK = re.compile(r"\{([a-z_][a-z_0-9]*)\}")


class Sentence(str):
    """Text for the user: a template with its blanks filled.

    template: English, with a {name} for each value; values: text, or sentences, which are translated too. Control
    characters are removed from the values.
    """

    template: str
    values: dict[str, str]

    def __new__(cls, template: str, /, **values: object) -> Sentence:
        if isinstance(template, Sentence):
            return template
        used = {name: _value(value) for name, value in values.items() if "{" + name + "}" in template}
        made = super().__new__(cls, fill(template, used))
        made.template, made.values = template, used
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, str]]:
        return (self.template,), self.values

    def about(self, **values: object) -> Sentence:
        """The sentence with these values, unless it has values already."""
        return self if self.values else Sentence(self.template, **values)

    def changed(self, change: Callable[[str], str]) -> Sentence:
        """The sentence with `change` applied to each of its values."""
        values = {k: v.changed(change) if isinstance(v, Sentence) else change(v) for k, v in self.values.items()}
        return Sentence(self.template, **values)


class Problem(Exception):
    """An error that the user can fix. message: what is wrong, with which file or setting; hint: what to do next;
    repair: the id of the operator that fixes it, such as "motionclone.install_backend", or "".

    message and hint are templates with common values: Problem("{path} is full.", "Empty {path}.").about(path=path).
    """

    def __init__(self, message: str, hint: str = "", /, *, repair: str = ""):
        self.message, self.hint, self.repair = Sentence(message), Sentence(hint), repair
        super().__init__(self.text)

    def about(self, **values: object) -> Self:
        """Fills the blanks of message and hint, each with the value of its name. Returns the problem itself."""
        self.message, self.hint = self.message.about(**values), self.hint.about(**values)
        self.args = (self.text,)
        return self

    def __str__(self) -> str:
        return self.text

    @property
    def text(self) -> Sentence:
        """Message and hint as one sentence."""
        if not self.hint:
            return self.message
        return Sentence("{message} {hint}", message=self.message, hint=self.hint)


def fill(template: str, values: Mapping[str, str]) -> str:
    """Replaces {name} in the template with the value of that name. Unknown names stay."""
    return _BLANK.sub(lambda blank: values.get(blank[1], blank[0]), template)


def templates_of(texts: Iterable[str]) -> list[dict[str, Any]]:
    """The templates and values of those texts that are sentences with blanks, for JSON."""
    return [_packed(text) for text in dict.fromkeys(texts) if isinstance(text, Sentence) and text.values]


def with_templates(texts: Iterable[str], templates: Any) -> list[str]:
    """The texts as sentences, where `templates`, as `templates_of` gave them, tells what they were made of. templates
    may be a stranger's: what is malformed is left out, and a template that does not give one of the texts has no
    effect."""
    listed = templates[:MAX_TEMPLATES] if isinstance(templates, list | tuple) else ()
    known = {str(made): made for made in map(_unpacked, listed) if made is not None}
    return [known.get(text, text) for text in texts]


def _value(value: object) -> str:
    if isinstance(value, Sentence):
        return value
    if isinstance(value, BaseException) and value.args and isinstance(value.args[0], Sentence):
        return value.args[0]
    return clean(str(value))


def _packed(text: str) -> Any:
    if not isinstance(text, Sentence):
        return text
    return {"template": text.template, "values": {name: _packed(value) for name, value in text.values.items()}}


def _unpacked(made: Any, nested: int = 0) -> Sentence | None:
    """None for what is no template with values."""
    if not isinstance(made, dict) or made.keys() != {"template", "values"} or nested > MAX_NESTED:
        return None
    template, values = made["template"], made["values"]
    if not isinstance(template, str) or len(template) > MAX_TEXT or not isinstance(values, dict):
        return None
    known = {
        name: value if isinstance(value, str) else _unpacked(value, nested + 1)
        for name, value in list(values.items())[:MAX_VALUES]
    }
    values = {name: value for name, value in known.items() if value is not None}
    # Longer than any text that is kept, it could give none of them; nested blanks would multiply without end.
    if len(template) + sum(template.count("{" + name + "}") * len(value) for name, value in values.items()) > MAX_TEXT:
        return None
    return Sentence(clean(template), **values)
