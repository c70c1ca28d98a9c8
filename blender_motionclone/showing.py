"""Redraws panels when background work changes, and shows failures in a popup."""

from __future__ import annotations

from collections.abc import Sequence

import bpy

from ..backend.job_folder.state import JobState
from .translations import sentence

SIDEBARS = {"VIEW_3D", "SEQUENCE_EDITOR"}
TAB = "MotionClone"


def redraw() -> None:
    """Redraws only the sidebars, because redrawing a heavy scene is slow, and the preferences, which show the
    worker."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PREFERENCES":
                area.tag_redraw()
            elif area.type in SIDEBARS:
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()


def tab_is_open() -> bool:
    """Whether a sidebar of some window shows MotionClone's tab."""
    areas = (area for window in bpy.context.window_manager.windows for area in window.screen.areas)
    sidebars = (region for area in areas if area.type in SIDEBARS for region in area.regions if region.type == "UI")
    return any(region.width > 1 and region.active_panel_category == TAB for region in sidebars)


def show_failures(failed: Sequence[JobState]) -> None:
    """Shows a popup if no panel shows the failures, because a timer has no operator to report with."""
    if bpy.app.background or not bpy.context.window_manager.windows or tab_is_open():
        return

    def draw(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
        for state in failed[:3]:
            for line in filter(None, (state.message, state.hint)):
                menu.layout.label(text=sentence(line), translate=False)

    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        bpy.context.window_manager.popup_menu(draw, title="MotionClone", icon="ERROR")
