"""How the reference is shaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bpy

from .graphics import check_graphics
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
    """The solid shading of the 3D view that the user works in, by name; empty for the scene's own."""
    space = context.space_data
    if space is None or space.type != "VIEW_3D":
        return {}
    return {name: value for name, value in _settings_of(space.shading).items() if name != "type"}


def _settings_of(shading: bpy.types.View3DShading) -> dict[str, Any]:
    plain = {"BOOLEAN", "INT", "FLOAT", "ENUM", "STRING"}
    names = [p.identifier for p in shading.bl_rna.properties if p.type in plain and not p.is_readonly]
    names.sort(key=lambda name: name != "light")  # which studio lights there are depends on it
    values = {name: getattr(shading, name) for name in names}
    return {name: tuple(value) if hasattr(value, "foreach_get") else value for name, value in values.items()}


@contextmanager
def dressed(stage: Stage, look: str, shading: dict[str, Any]) -> Iterator[None]:
    """Inside the block the stage renders in that look. shading: the settings of the look AS_SEEN."""
    if look == "MOTION":
        with motion_texture(stage):
            yield
        return
    check_graphics()
    use_engine(stage.scene, WORKBENCH, "Choose the look Motion.")
    put(stage.scene.display.shading, _PLAIN if look == "PLAIN" else shading)
    yield
