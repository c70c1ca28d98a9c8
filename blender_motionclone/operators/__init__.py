"""Operators translate: they read properties, call, and report. One a file."""

from __future__ import annotations

from . import (
    adopt,
    cancel,
    generate,
    place_take,
    queue_move,
    restore_view,
    resume,
    take_open_folder,
    take_remove,
    take_retry,
)

MODULES = (
    generate,
    cancel,
    queue_move,
    place_take,
    restore_view,
    take_retry,
    take_remove,
    take_open_folder,
    resume,
    adopt,
)


def register() -> None:
    for module in MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(MODULES):
        module.unregister()
