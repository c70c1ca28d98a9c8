"""Dataclasses from parsed JSON or TOML that somebody else may have written: every key known, every value of its type.

One reader for requests, states, messages and model entries; each names the checks for the types of its fields.
Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from .names import nearest

MOST_SHOWN = 80  # letters of a stranger's value in a sentence

# Gives the value as it is kept, or raises TypeError with what it must be: "text", "a whole number".
Check = Callable[[Any], Any]


class StrictError(ValueError):
    """The first thing that is wrong, in words for the user."""


def strict_values(
    kind: type, content: Any, checks: Mapping[str, Check], where: str, ignore_unknown: bool = False
) -> dict[str, Any]:
    """The arguments of the dataclass `kind` in `content`, each as the check of its annotation gives it.

    checks: by annotation, of a field that may be None that of the rest; where: names the content in errors;
    ignore_unknown: other programs and later versions may say more. StrictError."""
    if not isinstance(content, dict):
        raise StrictError(f"{where} must be an object with named values.")
    known = {field.name: field for field in fields(kind)}
    for key in content if not ignore_unknown else ():
        if key not in known:
            raise StrictError(f"{where} has an unknown key {shown(key)}{nearest(str(key)[:MOST_SHOWN], known)}")
    for key, field in known.items():
        if key not in content and field.default is MISSING and field.default_factory is MISSING:
            raise StrictError(f"{where} lacks {key!r}.")
    return {key: _checked(checks, str(known[key].type), content[key], where, key) for key in known if key in content}


def _checked(checks: Mapping[str, Check], wanted: str, value: Any, where: str, key: str) -> Any:
    if value is None and wanted.endswith(" | None"):
        return None
    try:
        return checks[wanted.removesuffix(" | None")](value)
    except TypeError as error:
        raise StrictError(f"{where}: {key} must be {error}, not {shown(value)}.") from None


def shown(value: Any) -> str:
    """A value that was sent, as it may stand in a sentence."""
    text = ascii(value) if isinstance(value, str | int | float | bool | None) else f"a {type(value).__name__}"
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 3] + "..."


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text")
    return value


def whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("a whole number")
    return value


def number(value: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError("a number")
    return value


def table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("an object with named values")
    return value


def texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TypeError("a list of texts")
    return value
