"""What Blender calls strips and their ends: 5.2 has new names, and the old ones leave in 6.0."""

from __future__ import annotations

import bpy


def strips_of(editor: bpy.types.SequenceEditor) -> bpy.types.bpy_prop_collection:
    """Those outside of meta strips, where new ones are added."""
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def all_strips_of(editor: bpy.types.SequenceEditor) -> list[bpy.types.Strip]:
    """Those inside of meta strips too."""
    return list(editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all)


def shown_range(strip: bpy.types.Strip) -> tuple[int, int]:
    """First frame, and the first frame after it."""
    if hasattr(strip, "left_handle"):
        return strip.left_handle, strip.right_handle
    return strip.frame_final_start, strip.frame_final_end


def content_length(strip: bpy.types.Strip) -> int:
    """Frames of its file, as Blender counts them."""
    return strip.content_duration if hasattr(strip, "content_duration") else strip.frame_duration
