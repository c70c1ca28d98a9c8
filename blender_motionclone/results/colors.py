"""How a clip keeps its colours in a scene whose view would grade them a second time."""

from __future__ import annotations

import json
from contextlib import suppress

import bpy

from ...backend.job_folder.reading import parse_json
from ..capture.plain_colors import in_words, make_neutral, set_view, what_regrades

# Colour spaces that these views undo. Exact for greys; AgX and Filmic cannot show the strongest colours of sRGB at all.
UNDONE = {"AgX": "AgX Base sRGB", "Filmic": "Filmic sRGB"}


def clip_space(scene: bpy.types.Scene, keep_view: bool) -> str:
    """The clip's colour space: one that the scene's view undoes where that must stay and there is one, else sRGB."""
    view = scene.view_settings
    name = view.view_transform
    undone = keep_view and list(what_regrades(view)) == ["view_transform"]
    return UNDONE.get(name, "sRGB") if undone else "sRGB"


def neutralize_view(scene: bpy.types.Scene, keep_view: bool) -> str:
    """Makes the scene's view neutral, at which every pixel is as it was generated; keep_view: leaves it as it is.

    Returns what the user must know of colours, or "".
    """
    view = scene.view_settings
    if not (had := what_regrades(view)):
        return ""
    if clip_space(scene, keep_view) != "sRGB":
        return f"The scene's view stays {view.view_transform}; strong colours of the clip look paler in it"
    if not keep_view:
        make_neutral(view)
    if has := what_regrades(view):
        return f"The scene's view changes the clip's colours: {in_words(has)}"
    scene.motionclone.view_before = json.dumps(had)
    return f"The scene's view is Standard now, to keep the clip's colours; it was: {in_words(had)}"


def restore_view(scene: bpy.types.Scene) -> None:
    """The view that the scene had before `tend_view` made it neutral, if it did."""
    before = scene.motionclone.view_before
    scene.motionclone.view_before = ""
    with suppress(ValueError, TypeError, AttributeError):  # a .blend may hold anything there
        set_view(scene.view_settings, dict(parse_json(before.encode())))


def set_space(settings: bpy.types.ColorManagedInputColorspaceSettings, space: str) -> None:
    """A studio's own colour configuration may not know it: its own default for pictures stays then."""
    with suppress(TypeError):
        settings.name = space
