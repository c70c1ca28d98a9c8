"""The clip that the property Clip names: the backend is asked about it once, and again when the file has changed."""

from __future__ import annotations

import time
from pathlib import Path

import bpy

from .. import reach
from ..errors import UserError
from ..preferences import clip_command
from ..setup.clip_calls import ClipCall, ClipFacts, examine

SECONDS_BETWEEN_LOOKS = 0.01

_key: tuple = ()  # tells the clip that was asked about from others
_call: ClipCall[ClipFacts] | None = None
_found: ClipFacts | UserError | None = None


def awaited(context: bpy.types.Context) -> bool:
    """Asks about the scene's clip, unless that was done or another source is chosen; whether the answer is still to
    come. UserError when nothing is chosen or there is no backend."""
    global _key, _call, _found
    if context.scene.motionclone.source != "FILE":
        return False
    path = _chosen(context)
    if _key != (key := _key_of(path)):
        forget()
        _call, _key = examine(clip_command(context), path), key
    if _call:
        try:
            _found = _call.answer()
        except UserError as error:
            _found = error
        _call = _call if _found is None else None
    return _call is not None


def clip_facts(context: bpy.types.Context) -> ClipFacts:
    """What the backend says of the clip; waits for it unless `awaited` has done so. UserError says what is wrong."""
    while awaited(context):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if isinstance(_found, UserError):
        raise UserError(_found.message, _found.hint, _found.repair)
    assert _found
    return _found


def forget() -> None:
    """Asks anew the next time: pictures in a folder may have changed without a trace in it. No process is left."""
    global _key, _call, _found
    if _call:
        _call.drop()
    _key, _call, _found = (), None, None


def _chosen(context: bpy.types.Context) -> Path:
    chosen = context.scene.motionclone.clip_file
    if not chosen.strip():
        raise UserError("No clip is chosen.", "Choose a video file or a folder of pictures.")
    path = reach.named(chosen)
    if path is None:
        raise UserError(f"The clip {chosen!r} is no whole path.", "Save this file first, or choose the clip again.")
    return path


def _key_of(path: Path) -> tuple:
    try:
        stat = path.stat()
    except OSError:
        return (path,)
    return path, stat.st_mtime_ns, stat.st_size
