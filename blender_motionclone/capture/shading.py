"""How the reference is shaded, and whether this Blender can draw it."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import bpy

from ...backend.job_folder.problem import Problem
from .motion_texture import motion_texture
from .rendering import use_engine
from .stage import Stage, put

WORKBENCH = "BLENDER_WORKBENCH"
_PLAIN: dict[str, Any] = {
    "light": "STUDIO",
    "studio_light": "Default",
    "color_type": "SINGLE",
    "single_color": (0.8, 0.8, 0.8),
    "background_type": "THEME",
    "show_backface_culling": False,
    "show_xray": False,
    "show_shadows": False,
    "show_cavity": False,
    "use_dof": False,
    "show_object_outline": False,
    "show_specular_highlight": False,
}


def solid_shading(context: bpy.types.Context) -> dict[str, Any]:
    """The solid shading of the current 3D view, by name; empty for the scene's own."""
    space = context.space_data
    if space is None or space.type != "VIEW_3D":
        return {}
    return {name: value for name, value in _settings_of(space.shading).items() if name != "type"}


def _settings_of(shading: bpy.types.View3DShading) -> dict[str, Any]:
    plain = {"BOOLEAN", "INT", "FLOAT", "ENUM", "STRING"}
    names = [p.identifier for p in shading.bl_rna.properties if p.type in plain and not p.is_readonly]
    names.sort(key=lambda name: name != "light")  # the available studio lights depend on it
    values = {name: getattr(shading, name) for name in names}
    return {name: tuple(value) if hasattr(value, "foreach_get") else value for name, value in values.items()}


@contextmanager
def shaded(stage: Stage, reference_shading: str, viewport_shading: dict[str, Any]) -> Iterator[None]:
    """Makes the stage render with that shading inside the block. viewport_shading: the settings for AS_SEEN."""
    if reference_shading == "MOTION":
        with motion_texture(stage):
            yield
        return
    check_graphics()
    use_engine(stage.scene, WORKBENCH, "Choose the shading Motion.")
    put(stage.scene.display.shading, _PLAIN if reference_shading == "PLAIN" else viewport_shading)
    yield


def check_graphics() -> None:
    """Problem when Blender cannot draw. With a window it can, and only Linux may lack a driver."""
    if bpy.app.background and sys.platform.startswith("linux") and not _egl_has_a_driver():
        raise Problem(
            "This machine has no graphics driver (EGL) for Blender.",
            "Choose the shading Motion, which needs no driver, or install one: on Debian the packages "
            "libegl1, libegl-mesa0 and libgl1-mesa-dri.",
        )


@cache
def _egl_has_a_driver() -> bool:
    """Asks for a display without opening it, because Blender may open another one."""
    try:
        egl = ctypes.CDLL("libEGL.so.1")
        egl.eglGetDisplay.argtypes, egl.eglGetDisplay.restype = (ctypes.c_void_p,), ctypes.c_void_p
        return egl.eglGetDisplay(None) is not None
    except (OSError, AttributeError):
        return False
