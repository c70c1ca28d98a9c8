"""Downloads happen on a click, and only where Blender is allowed to go online."""

from __future__ import annotations

import bpy

from ..errors import UserError


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
        "Switch on Allow Online Access in the preferences (System > Network), then try again.",
        "motionclone.allow_online",
    )
