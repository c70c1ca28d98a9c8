"""Creates dataclass arguments from untrusted JSON or TOML. Every key must be known and every value of its type.

Requests, states, messages and model entries all use this reader, each with checks for the types of its fields. Standard
library only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from .names import nearest
from .problem import Problem

MAX_SHOWN = 80  # characters of a received value in an error message

# Returns the converted value, or raises TypeError with what it must be: "text", "a whole number".
Check = Callable[[Any], Any]


class StrictError(Problem, ValueError):
    """The first thing that is wrong, in words for the user."""


def strict_values(
    kind: type, content: Any, checks: Mapping[str, Check], where: str, ignore_unknown: bool = False
) -> dict[str, Any]:
    """Returns the arguments for the dataclass `kind` from `content`, each converted by the check for its annotation.

    checks: by annotation, without ' | None'; where: names the content in errors; ignore_unknown: for content that other
    programs or later versions may extend. Raises StrictError.
    """
    if not isinstance(content, dict):
        raise StrictError("{where} must be an object with named values.").about(where=where)
    known = {field.name: field for field in fields(kind)}
    for key in content if not ignore_unknown else ():
        if key not in known:
            raise StrictError("{where} has an unknown key {key}{near}").about(
                where=where, key=shown(key), near=nearest(str(key)[:MAX_SHOWN], known)
            )
    for key, field in known.items():
        if key not in content and field.default is MISSING and field.default_factory is MISSING:
            raise StrictError("{where} has no {key}.").about(where=where, key=repr(key))
    return {key: _checked(checks, str(known[key].type), content[key], where, key) for key in known if key in content}


def _checked(checks: Mapping[str, Check], wanted: str, value: Any, where: str, key: str) -> Any:
    if value is None and wanted.endswith(" | None"):
        return None
    try:
        return checks[wanted.removesuffix(" | None")](value)
    except TypeError as error:
        raise StrictError("{where}: {key} must be {reason}, not {shown}.").about(
            where=where, key=key, reason=error, shown=shown(value)
        ) from None


def shown(value: Any) -> str:
    """A received value, shortened for an error message."""
    text = ascii(value) if isinstance(value, str | int | float | bool | None) else f"a {type(value).__name__}"
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def text(value: Any) -> str:
    """Returns a string. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError("text")
    return value


def whole(value: Any) -> int:
    """Returns an int. Raises TypeError."""
    if type(value) is not int:
        raise TypeError("a whole number")
    return value


def number(value: Any) -> float:
    """Returns an int or a float. Raises TypeError."""
    if type(value) not in (int, float):
        raise TypeError("a number")
    return value


def table(value: Any) -> dict[str, Any]:
    """Returns a dict. Raises TypeError."""
    if not isinstance(value, dict):
        raise TypeError("an object with named values")
    return value


def texts(value: Any) -> list[str]:
    """Returns a list of strings. Raises TypeError."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TypeError("a list of texts")
    return value
