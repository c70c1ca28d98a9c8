"""The settings field: `name=value name=value`. Without bpy."""

from __future__ import annotations

import shlex
from typing import Any

from ..backend.job_folder.settings import SettingError, parse_assignment, typed_values
from .errors import UserError

MOST = 5000  # letters; panels read them again and again, and a .blend may hold any number


def parse_settings(text: str) -> dict[str, Any]:
    """{"steps": "20"} from "steps=20"; names and values are those of `python -m backend clone --set`."""
    if len(text) > MOST:
        raise UserError(f"Settings: more than {MOST} letters.", "Write for example: steps=20 cfg_scale=3")
    try:
        assignments = [parse_assignment(part) for part in shlex.split(text)]
    except ValueError as error:  # an unclosed quote, or no name=value
        raise UserError(f"Settings: {str(error).rstrip('.')}.", "Write for example: steps=20 cfg_scale=3") from None
    settings = dict(assignments)
    if len(settings) < len(assignments):
        raise UserError("Settings: one name is given twice.", "Remove one of the two.")
    return settings


def frame_count(settings: dict[str, Any], model: dict[str, Any]) -> int:
    """How many frames the reference has: the settings' or the model's own. UserError for what cannot be set at all.

    model: an entry as `python -m backend models --json` gives it ("frames", "most_frames").
    """
    try:
        count = typed_values(settings).get("frames", model["frames"])
    except SettingError as error:
        raise UserError(f"Settings: {error}", "Correct it, or empty the field for the model's own settings.") from None
    if count > model["most_frames"]:
        raise UserError(
            f"Settings: frames is {count}; the model {model['name']!r} makes {model['most_frames']} at most.",
            "Lower frames.",
        )
    return count
