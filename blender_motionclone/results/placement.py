"""What is asked of placing, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Wish:
    """replace: an earlier take of the same shot goes from its place; keep_view: see colours.tend_view."""

    replace: bool = True
    keep_view: bool = False


@dataclass(frozen=True, kw_only=True)
class Placement:
    """name: of the strip, material, object, camera or node; replaced: the other job that was there before, or "";
    text: what was done; note: what became of colours."""

    name: str
    replaced: str
    text: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.text}. {self.note}" if self.note else self.text
