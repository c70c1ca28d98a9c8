"""How a clip keeps its colours in a scene whose view would grade them a second time."""

from __future__ import annotations

from contextlib import suppress

import bpy

from ..neutral_view import make_neutral, what_regrades

# Colour spaces that these views undo. Exact for greys; AgX and Filmic cannot show the strongest colours of sRGB at all.
UNDONE = {"AgX": "AgX Base sRGB", "Filmic": "Filmic sRGB"}


def tend_view(scene: bpy.types.Scene, keep_view: bool) -> tuple[str, str]:
    """Returns the clip's colour space, and what the user must know of colours or "".

    Not keep_view: the scene's view becomes neutral, at which every pixel is as it was generated. keep_view: the view
    stays, and where possible the colour space undoes it.
    """
    view = scene.view_settings
    had = what_regrades(view)
    if not had:
        return "sRGB", ""
    if keep_view:
        return _undone(view, had)
    make_neutral(view)
    if has := what_regrades(view):
        return "sRGB", f"The scene's view changes the clip's colours: {has}"
    return "sRGB", f"The scene's view is Standard now, to keep the clip's colours; it was: {had}"


def set_space(settings: bpy.types.ColorManagedInputColorspaceSettings, space: str) -> None:
    """A studio's own colour configuration may not know it: its own default for pictures stays then."""
    with suppress(TypeError):
        settings.name = space


def _undone(view: bpy.types.ColorManagedViewSettings, had: str) -> tuple[str, str]:
    name = view.view_transform
    if name in UNDONE and had == f"view transform {name}":  # nothing else regrades
        return UNDONE[name], f"The scene's view stays {name}; strong colours of the clip look paler in it"
    return "sRGB", f"The scene's view changes the clip's colours: {had}"
