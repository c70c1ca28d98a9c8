"""The add-on: everything that touches Blender. Files that do not need bpy say so in their first line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType

MODULES = (
    "translations",
    "panels.preferences_page",
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
    """Registers every module in order. Imports late, so that files without bpy can be imported outside of Blender."""
    for name in MODULES:
        import_module(f".{name}", __package__).register()


def unregister() -> None:
    """Unregisters every module in reverse order."""
    for name in reversed(MODULES):
        import_module(f".{name}", __package__).unregister()


def in_order(modules: Sequence[ModuleType]) -> tuple[Callable[[], None], Callable[[], None]]:
    """Returns (register, unregister) for the modules: in this order, and in reverse."""

    def register() -> None:
        for module in modules:
            module.register()

    def unregister() -> None:
        for module in reversed(modules):
            module.unregister()

    return register, unregister
