"""State that lives as long as the add-on is enabled: one object that holds each module's part. Without bpy.

A module declares its part as a dataclass and requests it once. So all state can be found here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

Part = TypeVar("Part")


class Session:
    """Stores parts by class, each with its fields' defaults at first."""

    def __init__(self) -> None:
        self._parts: dict[type, Any] = {}

    def part(self, kind: type[Part]) -> Part:
        """The part of this class, created on first request."""
        return self._parts.setdefault(kind, kind())

    def reset(self, part: object) -> None:
        """Resets the part's fields to their defaults."""
        vars(part).clear()
        vars(part).update(vars(type(part)()))

    def __iter__(self) -> Iterator[object]:
        return iter(self._parts.values())


session = Session()
