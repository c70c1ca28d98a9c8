"""Which paths may be accessed without asking, because a .blend from elsewhere can refer to any.

On Windows, just checking whether \\\\host\\share\\clip.mp4 exists sends the user's password hash to that host. So only
our own folders, the .blend's folder, and what the user chose in this session are accessed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import bpy

from ..backend.job_folder.folders import data_folder
from ..backend.job_folder.problem import Problem
from ..backend.job_folder.writing import is_link
from .declarations import Operators
from .preferences import jobs_folder

MAX_ENTRIES = 5000  # of a folder that is checked without asking

_chosen: set[Path] = set()


def named(text: str) -> Path | None:
    """The absolute path that a .blend's text means, without accessing the disk. None if it means none."""
    path = Path(os.path.normpath(bpy.path.abspath(text))) if text.strip() else None
    return path if path and path.is_absolute() else None


def choose(text: str) -> None:
    """The user chose the path, or pressed a button about it: it may be accessed until Blender quits."""
    if path := named(text):
        _chosen.add(path)


def in_reach(path: Path) -> bool:
    """path: as `named` returns it."""
    if path in _chosen:
        return True
    return any(lies_in(path, folder) for folder in _own_folders()) and not holds_links(path)


def lies_in(path: Path, folder: Path) -> bool:
    """Whether the path is below the folder, and contains no link."""
    try:
        parts = path.relative_to(folder).parts
    except ValueError:
        return False
    return ".." not in parts and not any(is_link(folder.joinpath(*parts[: n + 1])) for n in range(len(parts)))


def holds_links(folder: Path) -> bool:
    """Whether an entry is a link, or there are too many entries to check. False for a file."""
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                plain = entry.is_file(follow_symlinks=False)
                if number >= MAX_ENTRIES or not plain and is_link(Path(entry.path)):
                    return True
    except OSError:
        return False
    return False


def _own_folders() -> Iterator[Path]:
    yield data_folder()
    with suppress(Problem):
        yield jobs_folder(bpy.context)
    own = Path(bpy.data.filepath).parent
    if bpy.data.filepath and own.parent != own:  # every path is below the root of a drive
        yield own


def check_reach(settings: bpy.types.PropertyGroup) -> None:
    """Problem for a file that must not be accessed without asking."""
    for label, path in _files(settings):
        if not in_reach(path):
            raise Problem(
                "{label}: this file refers to {path}, which is not in its folder or contains links. It is not "
                "opened without your permission.",
                "If you trust this file, press Use These Files. Otherwise choose another file.",
                repair=Operators.USE_NAMED_FILES,
            ).about(label=label, path=path)


def choose_all(settings: bpy.types.PropertyGroup) -> None:
    """The user wants to use all of them."""
    for _, path in _files(settings):
        choose(str(path))


def _files(settings: bpy.types.PropertyGroup) -> Iterator[tuple[str, Path]]:
    """The files that the next take needs, with the names of their properties."""
    fields = {"First Picture": settings.image_file, "First Sketch": settings.sketch_file}
    if settings.source == "FILE":
        fields = {"Clip": settings.clip_file} | fields
    for label, text in fields.items():
        if path := named(text):
            yield label, path
