"""How a clip keeps its colors in a scene whose view transform would change them."""

from __future__ import annotations

import json
from contextlib import suppress

import bpy

from ...backend.job_folder.problem import Sentence
from ...backend.job_folder.reading import parse_json
from ..capture.plain_colors import grading_of, in_words, make_neutral, set_view

# Color spaces that these views undo. Exact for grays; AgX and Filmic cannot show the most saturated colors of sRGB.
UNDONE = {"AgX": "AgX Base sRGB", "Filmic": "Filmic sRGB"}


def clip_space(scene: bpy.types.Scene, keep_view: bool) -> str:
    """The clip's color space: one that the scene's view undoes if that view is kept, or else sRGB."""
    view = scene.view_settings
    name = view.view_transform
    undone = keep_view and list(grading_of(view)) == ["view_transform"]
    return UNDONE.get(name, "sRGB") if undone else "sRGB"


def neutralize_view(scene: bpy.types.Scene, keep_view: bool) -> str:
    """Sets the scene's view to Standard, which shows every pixel as it was generated. keep_view: keeps it.

    Returns what the user should know about colors, or "".
    """
    view = scene.view_settings
    if not (had := grading_of(view)):
        return ""
    if clip_space(scene, keep_view) != "sRGB":
        return Sentence(
            "The scene's view transform is still {view_transform}, which shows saturated colors of the clip paler",
            view_transform=view.view_transform,
        )
    if not keep_view:
        make_neutral(view)
    if has := grading_of(view):
        return Sentence("The scene's view transform changes the clip's colors: {has}", has=in_words(has))
    scene.motionclone.view_before = json.dumps(had)
    return Sentence(
        "The scene's view transform is now Standard, to keep the clip's colors. It was: {had}", had=in_words(had)
    )


def restore_view(scene: bpy.types.Scene) -> None:
    """Restores the view that the scene had before `neutralize_view` changed it."""
    before = scene.motionclone.view_before
    scene.motionclone.view_before = ""
    with suppress(ValueError, TypeError, AttributeError):  # a .blend can contain anything there
        set_view(scene.view_settings, dict(parse_json(before.encode())))


def set_space(settings: bpy.types.ColorManagedInputColorspaceSettings, space: str) -> None:
    """Keeps the default if the color configuration does not have that color space."""
    with suppress(TypeError):
        settings.name = space
