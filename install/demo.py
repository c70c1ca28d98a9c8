"""The demo (placeholder while the rest of the tree grows)."""

from __future__ import annotations


def make_demo(blender: str | None) -> None:
    raise NotImplementedError
