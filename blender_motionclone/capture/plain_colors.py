"""Pictures that keep their colors in any color configuration (OCIO): the neutral view, and reading pictures back."""

from __future__ import annotations

import tempfile
from ast import literal_eval
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from .stage import NAME, put, temporary

NEUTRAL: dict[str, Any] = {
    "view_transform": "Standard",
    "look": "None",
    "exposure": 0.0,
    "gamma": 1.0,
    "use_curve_mapping": False,
    "use_white_balance": False,
}
USUAL = ("sRGB", "Standard")
LEVELS, CLOSE = 16, 2 / 255
PNG = {"media_type": "IMAGE", "file_format": "PNG", "color_mode": "RGB", "color_depth": "8"}


def grading_of(view: bpy.types.ColorManagedViewSettings) -> dict[str, Any]:
    """The view's values that change finished pictures; empty when none does. Blender 4.2 has no white balance."""
    values = {name: getattr(view, name, neutral) for name, neutral in NEUTRAL.items()}
    return {name: value for name, value in values.items() if value != NEUTRAL[name]}


def in_words(values: dict[str, Any]) -> str:
    """For example "view transform AgX, exposure 1.0"."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())


def make_neutral(view: bpy.types.ColorManagedViewSettings) -> None:
    """Keeps the view when the color configuration has no Standard view; see `grading_of`."""
    set_view(view, {name: NEUTRAL[name] for name in grading_of(view)})


def set_view(view: bpy.types.ColorManagedViewSettings, values: dict[str, Any]) -> None:
    """Sets the named values. Skips a view or look that the color configuration does not have."""
    for name in [name for name in NEUTRAL if name in values]:  # which looks exist depends on the view
        try:
            setattr(view, name, values[name])
        except TypeError:
            if name not in ("view_transform", "look"):
                raise


def read_picture(path: Path) -> np.ndarray:
    """float32 RGB [H, W, 3] in 0..1, as stored in the file."""
    image = bpy.data.images.load(str(path), check_existing=False)
    try:
        image.colorspace_settings.is_data = True
        width, height = image.size
        values = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(values)
    finally:
        bpy.data.images.remove(image)
    return values.reshape(height, width, 4)[::-1, :, :3]


def make_plain(scene: bpy.types.Scene) -> None:
    """Makes the scene's pictures plain sRGB. If the configuration has no such view, they keep the scene's look."""
    display, view = plain_display() or ("", "")
    with suppress(TypeError):
        scene.display_settings.display_device = display or USUAL[0]
    make_neutral(scene.view_settings)
    with suppress(TypeError):
        scene.view_settings.view_transform = view or USUAL[1]


def color_notes() -> list[str]:
    if plain_display():
        return []
    return [
        "Blender's color configuration (OCIO) has no neutral view, so the reference has the colors of another view."
    ]


@cache  # one Blender has one configuration
def plain_display() -> tuple[str, str] | None:
    """Finds (display, view) by trying, because names mean little in a studio's own configuration."""
    with (
        temporary(bpy.data.scenes, bpy.data.scenes.new(NAME)) as scene,
        temporary(bpy.data.images, bpy.data.images.new(NAME, LEVELS, 1)) as image,
        tempfile.TemporaryDirectory() as folder,
    ):
        put(scene.render.image_settings, PNG)
        put(scene.render, {"dither_intensity": 0.0})
        ramp = np.linspace(0, 1, LEVELS, dtype=np.float32)
        pixels = np.stack([ramp, ramp[::-1], ramp * 0.5, np.ones_like(ramp)], -1)
        image.pixels.foreach_set(pixels.ravel())
        for both in [USUAL, *_choices(scene)]:
            if _set(scene, *both) and _is_kept(scene, image, pixels[None, :, :3], Path(folder) / "ramp.png"):
                return both
    return None


def _is_kept(scene: bpy.types.Scene, image: bpy.types.Image, wanted: np.ndarray, path: Path) -> bool:
    image.save_render(str(path), scene=scene)
    return bool(np.abs(read_picture(path) - wanted).max() <= CLOSE)


def _set(scene: bpy.types.Scene, display: str, view: str) -> bool:
    try:
        scene.display_settings.display_device = display
        scene.view_settings.view_transform = view
    except TypeError:
        return False
    put(scene.view_settings, {name: value for name, value in NEUTRAL.items() if name not in ("view_transform", "look")})
    with suppress(TypeError):
        scene.view_settings.look = NEUTRAL["look"]
    return True


def _choices(scene: bpy.types.Scene) -> Iterator[tuple[str, str]]:
    for display in _names(scene.display_settings, "display_device"):
        scene.display_settings.display_device = display
        for view in _names(scene.view_settings, "view_transform"):
            yield display, view


def _names(owner: bpy.types.bpy_struct, name: str) -> list[str]:
    """The allowed values of the property. Only Blender's error message for a wrong value lists them."""
    try:
        setattr(owner, name, "\0")
    except TypeError as refused:
        _, _, names = str(refused).partition(" not found in ")
        with suppress(ValueError, SyntaxError):
            return list(literal_eval(f"({names.strip()[1:-1]},)"))
    return []
