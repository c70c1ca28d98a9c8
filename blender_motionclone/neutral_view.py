"""The view at which an sRGB picture comes out as it went in."""

from __future__ import annotations

from typing import Any

import bpy

NEUTRAL: dict[str, Any] = {
    "view_transform": "Standard",
    "look": "None",
    "exposure": 0.0,
    "gamma": 1.0,
    "use_curve_mapping": False,
    "use_white_balance": False,
}


def what_regrades(view: bpy.types.ColorManagedViewSettings) -> dict[str, Any]:
    """Those of the view's values that change finished pictures; none when nothing does. 4.2 has no white balance."""
    values = {name: getattr(view, name, neutral) for name, neutral in NEUTRAL.items()}
    return {name: value for name, value in values.items() if value != NEUTRAL[name]}


def in_words(values: dict[str, Any]) -> str:
    """ "view transform AgX, exposure 1.0"."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())


def make_neutral(view: bpy.types.ColorManagedViewSettings) -> None:
    """A studio's own colour configuration may know no Standard: its view stays then, see `what_regrades`."""
    set_view(view, {name: NEUTRAL[name] for name in what_regrades(view)})


def set_view(view: bpy.types.ColorManagedViewSettings, values: dict[str, Any]) -> None:
    """Sets the named values; a view or look that this colour configuration does not know is left out."""
    for name in [name for name in NEUTRAL if name in values]:  # looks are offered for the view that is set
        try:
            setattr(view, name, values[name])
        except TypeError:
            if name not in ("view_transform", "look"):
                raise
