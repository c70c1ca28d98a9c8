"""Downloads happen on a click, and only where Blender is allowed to go online."""

from __future__ import annotations

import bpy

from ..errors import UserError

ALLOW_ONLINE = "allow_online"  # a repair that is no operator: Blender's own switch is drawn in its place


def may_be_allowed() -> bool:
    """Whether Blender is offline by a setting that the user can change right now."""
    return not bpy.app.online_access and not bpy.app.online_access_override


def check_online() -> None:
    """UserError when Blender may not use the internet."""
    if bpy.app.online_access:
        return
    if bpy.app.online_access_override:
        raise UserError(
            "Blender was started in offline mode, so nothing can be downloaded.",
            "Start it without --offline-mode, or choose a folder of Offline Packages in MotionClone's preferences.",
        )
    raise UserError(
        "Blender is not allowed to use the internet.",
        "Tick Allow Online Access (also in the preferences, System > Network), then try again.",
        ALLOW_ONLINE,
    )
