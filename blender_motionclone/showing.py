"""How what goes on beside Blender comes to its windows."""

from __future__ import annotations

from collections.abc import Sequence

import bpy

from ..backend.wire.job_state import JobState

SIDEBARS = {"VIEW_3D", "SEQUENCE_EDITOR"}


def redraw() -> None:
    """The sidebars only, for drawing a heavy scene again takes long; and the preferences, which show the worker."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PREFERENCES":
                area.tag_redraw()
            elif area.type in SIDEBARS:
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()


def show_failures(failed: Sequence[JobState]) -> None:
    """A timer has no operator to report with, and the panel may be closed."""
    if bpy.app.background or not bpy.context.window_manager.windows:
        return

    def draw(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
        for state in failed[:3]:
            for line in (state.message, state.hint):
                if line:
                    menu.layout.label(text=line)

    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        bpy.context.window_manager.popup_menu(draw, title="MotionClone", icon="ERROR")
