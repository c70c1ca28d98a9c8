"""What lives as long as Blender does with the add-on on: one object that holds each module's part of it. Without bpy.

A module declares its part as a dataclass and asks for it once; whoever looks for what is remembered finds it here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

Part = TypeVar("Part")


class Session:
    """Parts by their classes, each as its fields' defaults until something changes it."""

    def __init__(self) -> None:
        self._parts: dict[type, Any] = {}

    def part(self, kind: type[Part]) -> Part:
        """The one of this class, made when it is asked for first."""
        return self._parts.setdefault(kind, kind())

    def reset(self, part: object) -> None:
        """Its fields are as at the beginning."""
        vars(part).clear()
        vars(part).update(vars(type(part)()))

    def __iter__(self) -> Iterator[object]:
        return iter(self._parts.values())


session = Session()
