"""Everything that touches Blender. Files that do not need bpy say so in their first line and are tested without it."""

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
    """Registers every module in order. Imports late, so that the bpy-free files can be imported without Blender."""
    for name in MODULES:
        import_module(f".{name}", __package__).register()


def unregister() -> None:
    """Takes everything back in reverse order."""
    for name in reversed(MODULES):
        import_module(f".{name}", __package__).unregister()


def in_order(modules: Sequence[ModuleType]) -> tuple[Callable[[], None], Callable[[], None]]:
    """(register, unregister) of them all: in this order, and taken back in reverse."""

    def register() -> None:
        for module in modules:
            module.register()

    def unregister() -> None:
        for module in reversed(modules):
            module.unregister()

    return register, unregister
