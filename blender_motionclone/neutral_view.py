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


def what_regrades(view: bpy.types.ColorManagedViewSettings) -> str:
    """What of the view changes finished pictures, as "view transform AgX, exposure 1.0"; empty when nothing does."""
    return ", ".join(f"{name.replace('_', ' ')} {getattr(view, name)}" for name in _others(view))


def make_neutral(view: bpy.types.ColorManagedViewSettings) -> None:
    """A studio's own colour configuration may know no Standard: its view stays then, see `what_regrades`."""
    for name in _others(view):
        try:
            setattr(view, name, NEUTRAL[name])
        except TypeError:
            if name not in ("view_transform", "look"):
                raise


def _others(view: bpy.types.ColorManagedViewSettings) -> list[str]:
    """Names whose values are not neutral. Blender 4.2 has no white balance."""
    return [name for name, neutral in NEUTRAL.items() if getattr(view, name, neutral) != neutral]
