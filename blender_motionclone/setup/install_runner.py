"""Owns the installer's process: one timer, and what the panels and preferences show of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import bpy

from ..errors import UserError
from ..preferences import EXTENSION_ROOT
from ..session import session
from ..showing import redraw
from ..tick_times import surviving, timed
from .installer import Heard, Installer, Plan

SECONDS_BETWEEN_LOOKS = 0.25
WORDS = {
    "backend": "Installing the backend",
    "doctor": "Looking for what is wrong",
    "remove": "Removing the backend",
    "models add": "Getting the model",
    "models remove": "Removing the model",
}
ASKING = ("backend --plan", "models list")  # quick, and nothing the user asked for


@dataclass
class _Now:
    """The installer that runs, and what it and those before it have said."""

    installer: Installer | None = None
    heard: Heard = field(default_factory=Heard)  # what the last one said
    plan: Plan | None = None  # of installing the backend
    findings: list[dict] | None = None  # of the doctor's last visit; None before the first
    models: list[dict] | None = None  # the catalogue's; None before it was asked for
    ends: int = 0
    when_done: Callable[[], None] | None = None
    problem: UserError | None = None


_now = session.part(_Now)


def running() -> str | None:
    """What is being done, as "Installing the backend"; None when nothing is that the user asked for."""
    if _now.installer is None or _is_asking(_now.installer):
        return None
    words = _now.installer.arguments
    return WORDS.get(words[0]) or WORDS[" ".join(words[:2])]


def heard() -> Heard:
    """What the running installer, else the last one, has said."""
    return _now.installer.heard if _now.installer else _now.heard


def plan() -> Plan | None:
    """What installing the backend would fetch; None before `ask` was answered, and when nothing is missing."""
    return _now.plan


def ends() -> int:
    """How many that the user asked for have ended: each may have changed what is there."""
    return _now.ends


def findings() -> list[dict] | None:
    """The doctor's: dicts with id, level ("ok", "warning", "problem"), text, hint and fix; None before he was asked."""
    return _now.findings


def models() -> list[dict] | None:
    """The catalogue's rows, as `python -m install models list --json` gives them; None before `ask` was answered."""
    return _now.models


def problem() -> UserError | None:
    """How the last one failed, until another starts."""
    return None if _now.installer and not _is_asking(_now.installer) else _now.problem


def show(error: UserError) -> None:
    """A problem that kept one from starting."""
    _now.problem = error
    redraw()


def forget_problem() -> None:
    _now.problem = None


def ask(what: str, options: Sequence[str] = ()) -> bool:
    """what: one of ASKING; the answer comes to `plan` or `models`. False while another is at work."""
    if _now.installer:
        return False
    try:
        _begin([*what.split(), *options], None)
    except UserError:
        return False  # who presses Install is told
    return True


def start(arguments: Sequence[str], when_done: Callable[[], None] | None = None) -> None:
    """`python -m install ARGUMENTS`, followed by the timer; UserError when one runs already or it does not start."""
    if running():
        raise UserError("MotionClone's installer is at work already.", "Wait for it, or cancel it first.")
    _stop()
    forget_problem()
    _begin(arguments, when_done)


def _begin(arguments: Sequence[str], when_done: Callable[[], None] | None) -> None:
    _now.installer, _now.when_done = Installer(EXTENSION_ROOT, arguments), when_done
    if not bpy.app.timers.is_registered(tick):
        # Persistent: opening another file does not stop it, so it must not stop the watching either.
        bpy.app.timers.register(tick, first_interval=SECONDS_BETWEEN_LOOKS, persistent=True)


def cancel() -> None:
    if _now.installer:
        _now.installer.cancel()


def tick() -> float | None:
    """Looks once; returns the seconds until the next look, or None when there is nothing left to look at."""
    pause = None
    with timed("installer"), surviving(show):
        pause = _look()
    return SECONDS_BETWEEN_LOOKS if pause is None and _now.installer else pause


def _look() -> float | None:
    if _now.installer is None:
        return None
    before = _seen(_now.installer.heard)
    goes_on = _now.installer.poll()
    if goes_on:
        if _seen(_now.installer.heard) != before:
            redraw()
        return SECONDS_BETWEEN_LOOKS
    ended, _now.installer = _now.installer, None
    _conclude(ended)
    redraw()
    return SECONDS_BETWEEN_LOOKS if _now.installer else None


def _conclude(ended: Installer) -> None:
    said = ended.heard
    if _is_asking(ended):
        _now.plan = said.plan or _now.plan
    else:
        _now.heard, _now.problem, _now.ends = said, said.problem, _now.ends + 1
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
    """Blocks until its end, for scripts; UserError when it failed. Interrupted, it is stopped first."""
    try:
        while tick() is not None:
            time.sleep(SECONDS_BETWEEN_LOOKS)
    except BaseException:
        _stop()
        raise
    if error := problem():
        raise error


def _seen(said: Heard) -> tuple:
    return said.text, said.factor, said.note, said.plan


def _stop() -> None:
    if _now.installer:
        _now.installer.close()
    _now.installer = None


def register() -> None:
    """Nothing is installed yet."""


def unregister() -> None:
    """An installation is stopped: what it has done is kept, and the next goes on from there."""
    _stop()
    session.reset(_now)
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
