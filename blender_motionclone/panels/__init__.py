"""The sidebars' tab: what to clone, how it comes along, and the takes. Drawing only reads what others know."""

from __future__ import annotations

from . import clone, details, menus, presets, queue, takes

MODULES = (menus, presets, clone, details, queue, takes)


def register() -> None:
    for module in MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(MODULES):
        module.unregister()
