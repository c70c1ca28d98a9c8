"""One panel for both sidebars, and paragraphs that wrap at the sidebar's width."""

from __future__ import annotations

from functools import lru_cache

import blf
import bpy

from ..showing import TAB
from ..wrapping import shortened, shown, shown_line, wrap

FONT = 0  # Blender's own font
EDGES = 66  # pixels at a scale of 1 of a panel's margins, the tabs and a scroll bar
ICON = 20
IN_PREFERENCES = 60
BOX = 14  # a box's margin
LINE = 0.75  # relative to the usual line height, because a paragraph's lines belong together
SPACES = {"VIEW_3D": "", "SEQUENCE_EDITOR": "_sequencer"}  # suffixes of the class names


def paragraph(
    layout: bpy.types.UILayout,
    context: bpy.types.Context,
    text: str,
    icon: str = "NONE",
    less: int = 0,
    share: float = 1.0,
) -> None:
    """less: pixels at a scale of 1 beside it, such as a button; share: its part of a split row."""
    column = layout.column(align=True)
    column.scale_y = LINE
    beside = less + (ICON if icon != "NONE" else 0)
    for number, line in enumerate(_lines(shown(text), round(share * width(context, beside)), _size(context))):
        column.label(text=line, translate=False, icon=icon if number == 0 else "BLANK1" if icon != "NONE" else "NONE")


def fitting(context: bpy.types.Context, text: str, less: int = 0) -> str:
    """The text, or its beginning if it does not fit on one line."""
    size = _size(context)
    return shortened(shown_line(text), width(context, less), lambda part: _measure(part, size))


def fits(context: bpy.types.Context, text: str, less: int = 0) -> bool:
    return _measure(text, _size(context)) <= width(context, less)


def width(context: bpy.types.Context, less: int = 0) -> int:
    """The width in pixels of a line of text in the region that is being drawn."""
    scale = context.preferences.system.ui_scale or 1.0
    if context.region and context.region.type == "WINDOW":  # in the preferences, boxes are nested
        less += IN_PREFERENCES
    return round((context.region.width if context.region else 250) - (EDGES + less) * scale)


@lru_cache(maxsize=256)
def _lines(text: str, pixels: int, size: float) -> list[str]:
    return wrap(text, pixels, lambda part: _measure(part, size))


def _measure(text: str, size: float) -> float:
    blf.size(FONT, size)
    return blf.dimensions(FONT, text)[0]


def _size(context: bpy.types.Context) -> float:
    """The font size in pixels."""
    preferences = context.preferences
    return preferences.ui_styles[0].widget.points * (preferences.system.ui_scale or 1.0)


def in_both_sidebars(body: type) -> tuple[type, ...]:
    """The panels with the body's `draw`, `bl_label` and so on, one per editor. `parent`: the body of the parent panel,
    if any."""
    return tuple(_panel(body, space) for space in SPACES)


def _panel(body: type, space: str) -> type:
    name = body.__name__ + SPACES[space]
    attributes = {"bl_idname": name, "bl_space_type": space, "bl_region_type": "UI", "bl_category": TAB}
    parent = getattr(body, "parent", None)
    if parent is not None:
        attributes["bl_parent_id"] = parent.__name__ + SPACES[space]
    return type(name, (body, bpy.types.Panel), attributes | {"__doc__": body.__doc__, "__module__": body.__module__})
