"""Operators translate: they read properties, call, and report. One a file."""

from __future__ import annotations

from . import cancel, generate, place_take, restore_view

MODULES = (generate, place_take, restore_view, cancel)


def register() -> None:
    for module in MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(MODULES):
        module.unregister()
