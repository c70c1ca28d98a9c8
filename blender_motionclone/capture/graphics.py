"""Whether this Blender can draw: without a window and without a graphics driver it would crash in the first render."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

import bpy

from ..errors import UserError


def check_graphics() -> None:
    """UserError when it cannot. With a window it draws already; other systems than Linux have a driver of their own."""
    if bpy.app.background and sys.platform.startswith("linux") and not _egl_has_a_driver():
        raise UserError(
            "Blender finds no graphics driver (EGL) on this machine.",
            "Choose the look Motion, which needs none, or install one: on Debian the packages libegl1, libegl-mesa0 "
            "and libgl1-mesa-dri.",
        )


@cache
def _egl_has_a_driver() -> bool:
    """Asks for a display without opening it: the default one may well be another than Blender opens."""
    try:
        egl = ctypes.CDLL("libEGL.so.1")
        egl.eglGetDisplay.argtypes, egl.eglGetDisplay.restype = (ctypes.c_void_p,), ctypes.c_void_p
        return egl.eglGetDisplay(None) is not None
    except (OSError, AttributeError):
        return False
