"""Owns the running job's process: one timer, and the only writer of the job's state in Blender."""

from __future__ import annotations

import time
from pathlib import Path

import bpy

from ..backend.wire.job_state import FAILED, JobState, read_state, write_state
from .backend_process import BackendProcess
from .errors import UserError

SECONDS_BETWEEN_LOOKS = 0.25

_process: BackendProcess | None = None
_state: JobState | None = None


def running() -> bool:
    return _process is not None


def state() -> JobState | None:
    """Of the running job, else of the last one of this session, else None."""
    return _state


def start(interpreter: Path, root: Path, folder: Path) -> None:
    """Starts the job; the timer follows it from now on."""
    global _process, _state
    if running():
        raise UserError("A MotionClone job is already running.", "Wait for it, or cancel it first.")
    _process, _state = BackendProcess(interpreter, root, folder), JobState()
    if not bpy.app.timers.is_registered(tick):
        # Persistent: opening another file does not stop the job, so it must not stop the watching either.
        bpy.app.timers.register(tick, first_interval=SECONDS_BETWEEN_LOOKS, persistent=True)


def cancel() -> None:
    if _process is not None:
        _process.cancel()


def tick() -> float | None:
    """Looks once at the job; returns the seconds until the next look, or None when there is nothing left to look at."""
    global _process, _state
    if _process is None:
        return None
    before, _state = _state, _process.poll()
    if _state != before:
        _redraw()
    if not _state.finished:
        return SECONDS_BETWEEN_LOOKS
    _keep(_process.folder, _state)
    _process = None
    if _state.state == FAILED:
        _show(_state)
    return None


def wait() -> JobState:
    """Blocks until the job has ended, for scripts and farms. Interrupted, it stops the job first."""
    try:
        return _until_finished()
    except BaseException:
        cancel()
        _until_finished()
        raise


def _until_finished() -> JobState:
    while (pause := tick()) is not None:
        time.sleep(pause)
    assert _state is not None
    return _state


def _keep(folder: Path, last: JobState) -> None:
    """A killed process leaves "running" behind; the folder shall say what became of the job."""
    if not read_state(folder).finished:
        write_state(last, folder)


def _redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in {"VIEW_3D", "SEQUENCE_EDITOR"}:
                area.tag_redraw()


def _show(failed: JobState) -> None:
    """A timer has no operator to report with, and the panel may be closed."""
    if bpy.app.background:
        return

    def draw(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
        for line in (failed.message, failed.hint):
            if line:
                menu.layout.label(text=line)

    bpy.context.window_manager.popup_menu(draw, title="MotionClone", icon="ERROR")


def register() -> None:
    """Nothing runs yet."""


def unregister() -> None:
    """Stops watching. A running job is left to finish in its folder: Blender quitting must not wait for it."""
    global _process, _state
    _process = _state = None
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
