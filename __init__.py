"""MotionClone for Blender: the repository's root is the extension. See blender_motionclone/ and backend/."""


def register() -> None:
    """Called by Blender when the extension is enabled. Imports late: pytest imports this file without Blender."""
    from . import blender_motionclone

    blender_motionclone.register()


def unregister() -> None:
    """Called by Blender when the extension is disabled or Blender quits."""
    from . import blender_motionclone

    blender_motionclone.unregister()
