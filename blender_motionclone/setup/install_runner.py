"""Owns the installer's process. One timer polls it, and keeps what panels and preferences show."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import bpy

from ...backend.job_folder.problem import Problem
from ..preferences import EXTENSION_ROOT
from ..session import session
from ..showing import redraw
from ..tick_times import catching, timed
from .installer import Installer, Plan, Report

SECONDS_BETWEEN_LOOKS = 0.25
WORDS = {
    "backend": "Installing the backend",
    "doctor": "Running the doctor",
    "remove": "Removing the backend",
    "models add": "Downloading the model",
    "models remove": "Removing the model",
}
ASKING = ("backend --plan", "models list")  # quick, and not started by the user


@dataclass
class _Now:
    """The running installer, and what it and earlier ones have reported."""

    installer: Installer | None = None
    reported: Report = field(default_factory=Report)  # what the last one reported
    plan: Plan | None = None  # of installing the backend
    findings: list[dict] | None = None  # of the doctor's last run; None before the first
    models: list[dict] | None = None  # the catalog's; None until it was asked for
    ends: int = 0
    when_done: Callable[[], None] | None = None
    problem: Problem | None = None


_now = session.part(_Now)


def running() -> str | None:
    """What the user started, such as "Installing the backend"; None if nothing is running."""
    if _now.installer is None or _is_asking(_now.installer):
        return None
    words = _now.installer.arguments
    return WORDS.get(words[0]) or WORDS[" ".join(words[:2])]


def reported() -> Report:
    """What the running installer, or else the last one, has reported."""
    return _now.installer.reported if _now.installer else _now.reported


def plan() -> Plan | None:
    """What installing the backend would download. None until `ask` is answered, or when nothing is missing."""
    return _now.plan


def ends() -> int:
    """How many installers that the user started have ended. Each may have changed what is installed."""
    return _now.ends


def findings() -> list[dict] | None:
    """The doctor's findings: dicts with id, level ("ok", "warning", "problem"), text, hint and fix. None before the
    first run."""
    return _now.findings


def models() -> list[dict] | None:
    """The catalog's rows from `python -m install models list --json`. None until `ask` is answered."""
    return _now.models


def problem() -> Problem | None:
    """How the last one failed, until another starts."""
    return None if _now.installer and not _is_asking(_now.installer) else _now.problem


def show(error: Problem) -> None:
    """Shows an error that prevented a start."""
    _now.problem = error
    redraw()


def forget_problem() -> None:
    _now.problem = None


def ask(what: str, options: Sequence[str] = ()) -> bool:
    """what: one of ASKING; `plan` or `models` receives the answer. False while another is running."""
    if _now.installer:
        return False
    try:
        _begin([*what.split(), *options], None)
    except Problem:
        return False  # the user is told when pressing Install
    return True


def start(arguments: Sequence[str], when_done: Callable[[], None] | None = None) -> None:
    """Starts `python -m install ARGUMENTS`, polled by the timer. Problem when one is running or it does not start."""
    if running():
        raise Problem("MotionClone's installer is already running.", "Wait for it, or cancel it first.")
    _stop()
    forget_problem()
    _begin(arguments, when_done)


def _begin(arguments: Sequence[str], when_done: Callable[[], None] | None) -> None:
    _now.installer, _now.when_done = Installer(EXTENSION_ROOT, arguments), when_done
    if not bpy.app.timers.is_registered(tick):
        # Persistent: opening another file does not stop it, so polling must go on.
        bpy.app.timers.register(tick, first_interval=SECONDS_BETWEEN_LOOKS, persistent=True)


def cancel() -> None:
    if _now.installer:
        _now.installer.cancel()


def tick() -> float | None:
    """Polls once. Returns the seconds until the next poll, or None when nothing is running."""
    pause = None
    with timed("installer"), catching(show):
        pause = _look()
    return SECONDS_BETWEEN_LOOKS if pause is None and _now.installer else pause


def _look() -> float | None:
    if _now.installer is None:
        return None
    before = _seen(_now.installer.reported)
    goes_on = _now.installer.poll()
    if goes_on:
        if _seen(_now.installer.reported) != before:
            redraw()
        return SECONDS_BETWEEN_LOOKS
    ended, _now.installer = _now.installer, None
    _conclude(ended)
    redraw()
    return SECONDS_BETWEEN_LOOKS if _now.installer else None


def _conclude(ended: Installer) -> None:
    said = ended.reported
    if _is_asking(ended):
        _now.plan = said.plan or _now.plan
    else:
        _now.reported, _now.problem, _now.ends = said, said.problem, _now.ends + 1
    if said.problem or said.cancelled:
        return
    if ended.arguments[0] == "doctor":
        _now.findings = said.findings
    _now.models = said.models or _now.models
    if _now.when_done:
        _now.when_done()


def _is_asking(installer: Installer) -> bool:
    return " ".join(installer.arguments[:2]) in ASKING


def wait() -> None:
    """Blocks until its end, for scripts. Problem when it failed. Stops it when interrupted."""
    try:
        while tick() is not None:
            time.sleep(SECONDS_BETWEEN_LOOKS)
    except BaseException:
        _stop()
        raise
    if error := problem():
        raise error


def _seen(said: Report) -> tuple:
    return said.text, said.factor, said.note, said.plan


def _stop() -> None:
    if _now.installer:
        _now.installer.close()
    _now.installer = None


def register() -> None:
    """There is nothing to register; the timer starts with the first installer."""


def unregister() -> None:
    """Stops a running installation. What it has done is kept, and the next run continues from there."""
    _stop()
    session.reset(_now)
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
