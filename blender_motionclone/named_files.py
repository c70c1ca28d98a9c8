"""The files that a scene's form names: a .blend from elsewhere may name any, so those far away wait for a click."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy

from . import reach
from .errors import UserError


def check_reach(settings: bpy.types.PropertyGroup) -> None:
    """UserError for one that is not to be looked at unasked."""
    for label, path in _files(settings):
        if not reach.in_reach(path):
            raise UserError(
                f"{label}: this file names {path}, which is not in its folder or holds links; so it is not opened "
                "unasked.",
                "If you know this file, use what it names; otherwise choose another.",
                "motionclone.use_named_files",
            )


def choose_all(settings: bpy.types.PropertyGroup) -> None:
    """The user wants them."""
    for _, path in _files(settings):
        reach.choose(str(path))


def _files(settings: bpy.types.PropertyGroup) -> Iterator[tuple[str, Path]]:
    """Those that the next take needs, with the names of their fields."""
    named = {"First Picture": settings.image_file, "First Sketch": settings.sketch_file}
    if settings.source == "FILE":
        named = {"Clip": settings.clip_file} | named
    for label, text in named.items():
        if path := reach.named(text):
            yield label, path
