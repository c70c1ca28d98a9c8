"""Everything that touches Blender. Files that do not need bpy say so in their first line and are tested without it."""

from __future__ import annotations

from importlib import import_module

MODULES = (
    "translations",
    "panels.addon_preferences",
    "properties",
    "thumbnails",
    "jobs.job_runner",
    "setup.install_runner",
    "handlers",
    "operators",
    "panels",
    "facts",
)


def register() -> None:
    """Registers every module in order. Imports late, so that the bpy-free files can be imported without Blender."""
    for name in MODULES:
        import_module(f".{name}", __package__).register()


def unregister() -> None:
    """Takes everything back in reverse order."""
    for name in reversed(MODULES):
        import_module(f".{name}", __package__).unregister()
