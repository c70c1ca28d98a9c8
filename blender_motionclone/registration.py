"""How a package registers what its modules have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType


def in_order(modules: Sequence[ModuleType]) -> tuple[Callable[[], None], Callable[[], None]]:
    """(register, unregister) of them all: in this order, and taken back in reverse."""

    def register() -> None:
        for module in modules:
            module.register()

    def unregister() -> None:
        for module in reversed(modules):
            module.unregister()

    return register, unregister
