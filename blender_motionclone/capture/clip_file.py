"""The clip chosen in the Clip property. The backend is asked about it once, and again when the file has changed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import bpy

from ...backend.job_folder.problem import Problem
from .. import reach
from ..preferences import clip_command
from ..session import session
from ..setup.backend_call import ClipCall, ClipFacts, examine

SECONDS_BETWEEN_LOOKS = 0.01


@dataclass
class _Now:
    """The last clip that was asked about. key: identifies it; found: the answer."""

    key: tuple = ()
    call: ClipCall[ClipFacts] | None = None
    found: ClipFacts | Problem | None = None


_now = session.part(_Now)


def awaited(context: bpy.types.Context) -> bool:
    """Asks about the scene's clip, if a file is the source and it was not asked about yet. Returns whether the answer
    is still pending. Problem when nothing is chosen or there is no backend."""
    if context.scene.motionclone.source != "FILE":
        return False
    path = _chosen(context)
    if _now.key != (key := _key_of(path)):
        forget()
        _now.call, _now.key = examine(clip_command(context), path), key
    if _now.call:
        try:
            _now.found = _now.call.answer()
        except Problem as error:
            _now.found = error
        _now.call = _now.call if _now.found is None else None
    return _now.call is not None


def clip_facts(context: bpy.types.Context) -> ClipFacts:
    """What the backend reports about the clip. Waits for the answer if `awaited` did not. Problem says what is
    wrong."""
    while awaited(context):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if isinstance(_now.found, Problem):
        raise Problem(_now.found.message, _now.found.hint, repair=_now.found.repair)
    assert _now.found
    return _now.found


def forget() -> None:
    """Makes the next call ask again, because pictures in a folder can change without a trace. Leaves no process
    behind."""
    if _now.call:
        _now.call.drop()
    session.reset(_now)


def _chosen(context: bpy.types.Context) -> Path:
    chosen = context.scene.motionclone.clip_file
    if not chosen.strip():
        raise Problem("No clip is chosen.", "Choose a video file or a folder of pictures.")
    path = reach.named(chosen)
    if path is None:
        raise Problem("The clip {chosen} is not a full path.", "Save this file first, or choose the clip again.").about(
            chosen=repr(chosen)
        )
    return path


def _key_of(path: Path) -> tuple:
    try:
        stat = path.stat()
    except OSError:
        return (path,)
    return path, stat.st_mtime_ns, stat.st_size
