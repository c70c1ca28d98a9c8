"""Declares a setting once: its type, bounds or choices, label and description. Everything else follows from it.

Validation, `python -m backend settings`, the table in docs/method.md and the controls in the panel all use this
declaration. Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from .problem import Problem

AUTO = "auto"  # the text of None, which a setting of the kind "int | None" may be


class SettingError(Problem, ValueError):
    """A setting that does not exist or has an invalid value. The text is for the user."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """The declaration of one setting.

    kind: the name of its type; bounds: minimum and maximum of each number; group: its heading; basic: whether most
    users need it; backbones: the model families that know it, () for all of them.
    """

    name: str
    kind: str
    default: Any
    label: str
    description: str
    group: str
    bounds: tuple[float, float] | None
    choices: tuple[str, ...]
    basic: bool
    backbones: tuple[str, ...]

    def known_to(self, backbone: str) -> bool:
        """Whether models of this family know the setting."""
        return not self.backbones or backbone in self.backbones

    def typed(self, value: Any) -> Any:
        """Converts `value`, which may be text from a command line, to the setting's type. Raises SettingError when it
        is invalid."""
        try:
            typed = _PARSERS[self.kind](value)
        except (TypeError, ValueError):
            raise SettingError("{name} cannot be {value}; it must be {kind_names}.").about(
                name=self.name, value=repr(value), kind_names=_KIND_NAMES[self.kind]
            ) from None
        if self.bounds and typed is not None:
            low, high = self.bounds
            if not all(low <= number <= high for number in (typed if isinstance(typed, tuple) else [typed])):
                raise SettingError("{name} is {value}; it must be between {low} and {high}.").about(
                    name=self.name, value=value, low=f"{low:g}", high=f"{high:g}"
                )
        if self.choices and typed not in self.choices:
            raise SettingError("{name} is {typed}; it must be {choices}.").about(
                name=self.name, typed=repr(typed), choices=" or ".join(self.choices)
            )
        return typed

    @property
    def range_text(self) -> str:
        """The bounds or choices for a table: '1 to 1,000', 'raw, relative'."""
        if self.choices:
            return ", ".join(self.choices)
        if self.kind == "bool":
            return "true, false"
        bounds = " to ".join(map(_number_text, self.bounds)) if self.bounds else "names"
        return f"{AUTO}, {bounds}" if self.kind == "int | None" else bounds

    @property
    def default_text(self) -> str:
        """The default for a table."""
        return value_text(self.default)


def setting(
    default: Any,
    label: str,
    description: str,
    group: str,
    bounds: tuple[float, float] | None = None,
    *,
    choices: tuple[str, ...] = (),
    basic: bool = False,
    backbones: tuple[str, ...] = (),
) -> Any:
    """A dataclass field that declares a setting. For the arguments see Declaration."""
    metadata = {"label": label, "description": description, "group": group, "bounds": bounds, "choices": choices}
    return field(default=default, metadata=metadata | {"basic": basic, "backbones": backbones})


@cache
def declarations(kind: type) -> dict[str, Declaration]:
    """The declarations in a dataclass whose fields are settings, by name."""
    return {f.name: Declaration(name=f.name, kind=str(f.type), default=f.default, **f.metadata) for f in fields(kind)}


def value_text(value: Any) -> str:
    """Formats a value for a table."""
    if value is None:
        return AUTO
    if isinstance(value, tuple):
        return ", ".join(map(value_text, value)) or "none"
    return str(value).lower() if isinstance(value, bool | str) else _number_text(value)


def typed_text(value: Any) -> str:
    """Formats a value so that `Declaration.typed` can read it back: '0.3,0.3'."""
    if isinstance(value, list | tuple):
        return ",".join(map(typed_text, value))
    if value is None:
        return AUTO
    return (
        str(value).lower() if isinstance(value, bool) else f"{value:.10g}" if isinstance(value, float) else str(value)
    )


def parse_assignment(text: str) -> tuple[str, str]:
    """Splits 'key=value' as typed after --set. Raises SettingError."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise SettingError("{text} is not of the form key=value.").about(text=repr(text))
    return key.strip(), value.strip()


def _number_text(value: float) -> str:
    return f"{value:,.10g}"


def _integer(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(value)
    return int(value)


def _integer_or_auto(value: Any) -> int | None:
    return None if value is None or value == AUTO else _integer(value)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError(value)
    return float(value)


def _truth(value: Any) -> bool:
    word = str(value).lower()
    if word not in _TRUTHS:
        raise ValueError(value)
    return _TRUTHS[word]


def _texts(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else list(value)
    texts = tuple(part.strip() for part in parts)
    if not texts or not all(texts):
        raise ValueError(value)
    return texts


def _numbers(value: Any) -> tuple[float, ...]:
    parts = value.split(",") if isinstance(value, str) else list(value)
    return tuple(_number(part) for part in parts)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    return value


_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_PARSERS: dict[str, Callable[[Any], Any]] = {
    "int": _integer,
    "int | None": _integer_or_auto,
    "float": _number,
    "bool": _truth,
    "str": _text,
    "tuple[str, ...]": _texts,
    "tuple[float, ...]": _numbers,
}
_KIND_NAMES = {
    "int": "a whole number",
    "int | None": "a whole number or auto",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "tuple[str, ...]": "names with commas between them",
    "tuple[float, ...]": "numbers with commas between them",
}
