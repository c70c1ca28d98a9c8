"""Does a scene strip show its scene's picture as the scene's camera has it, whole and upright?"""

from __future__ import annotations

import bpy

from ..errors import UserError
from .scene_animation import animated_paths
from .strip_tree import metas_around

PIXEL = 1.0  # so much may be missing at an edge
NEAR = 1e-4
PICTURE = ("transform.", "crop.", "use_flip_x", "use_flip_y")


def check_plain(home: bpy.types.Scene, strip: bpy.types.Strip) -> None:
    """UserError that names the property because of which the camera's picture is not what Blender shows."""
    shown = strip.scene.render
    size = [side * shown.resolution_percentage / 100 for side in (shown.resolution_x, shown.resolution_y)]
    frame = (home.render.resolution_x, home.render.resolution_y)
    metas = metas_around(home.sequence_editor, strip)
    found = [_changed(meta, frame, frame) or _animated(home, meta) for meta in metas]
    found += [_changed(strip, size, frame) or _animated(home, strip)]
    if what := next(filter(None, found), ""):
        raise UserError(
            f"The strip {strip.name!r} does not show its scene's whole picture: {what}.",
            "Reset that in the strip's settings, or choose Reference > Camera in the scene that it shows.",
        )


def _changed(strip: bpy.types.Strip, size, frame) -> str:
    """ "" when a picture of that size fills the frame, both in pixels."""
    place, crop = strip.transform, strip.crop
    right = [whole / side for side, whole in zip(size, frame)]
    scale = (place.scale_x, place.scale_y)
    if any(abs(own - fit) * side > PIXEL for own, fit, side in zip(scale, right, size)):
        return f"its Scale is {_numbers(scale)}, and {_numbers(right)} would fill the frame"
    if max(abs(place.offset_x), abs(place.offset_y)) > PIXEL:
        return f"its Position is {_numbers((place.offset_x, place.offset_y))}"
    if abs(place.rotation) > NEAR:
        return "its Rotation is set"
    if any((crop.min_x, crop.max_x, crop.min_y, crop.max_y)):
        return "its Crop is set"
    mirrored = [axis for axis in "xy" if getattr(strip, f"use_flip_{axis}")]
    return f"its Mirror (Flip {mirrored[0].upper()}) is on" if mirrored else ""


def _numbers(both) -> str:
    return " x ".join(f"{value:.4g}" for value in both)


def _animated(home: bpy.types.Scene, strip: bpy.types.Strip) -> str:
    """What of these is animated: the value at the user's present frame says nothing of the others."""
    data, path = home.animation_data, strip.path_from_id()
    if not data:
        return ""
    names = [name.removeprefix(f"{path}.") for name in animated_paths(data) if name.startswith(f"{path}.")]
    moved = next((name for name in names if name.startswith(PICTURE)), "")
    return f"its property {moved} is animated" if moved else ""
