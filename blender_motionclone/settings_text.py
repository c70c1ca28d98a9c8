"""The settings field: `name=value name=value`. Without bpy."""

from __future__ import annotations

import json
import shlex
from typing import Any

from .errors import UserError


def parse_settings(text: str) -> dict[str, Any]:
    """{"steps": 20, "motion_weight": 0.5} from "steps=20 motion_weight=0.5"; what is not JSON stays text.

    Names are checked by the backend, which knows the model's. UserError for what is not name=value.
    """
    settings: dict[str, Any] = {}
    for part in _words(text):
        name, equals, value = part.partition("=")
        if not (name and equals and value):
            raise UserError(f"Settings: {part!r} is not of the form name=value.", "Write for example: steps=20")
        if name in settings:
            raise UserError(f"Settings: {name!r} is given twice.", "Remove one of the two.")
        settings[name] = _value(value)
    return settings


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UserError(f"Settings cannot be read ({error}).", "Close every quote.") from None


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=str)
    except json.JSONDecodeError:
        return text
