"""What operators have in common that only show something."""

from __future__ import annotations

import bpy


class InWindow:
    """For an operator that makes no sense where Blender runs without a window."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if bpy.app.background:
            cls.poll_message_set("This Blender runs without a window")
            return False
        return True
