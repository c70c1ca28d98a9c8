"""The three steps to the first clip, and which of them is next. Without bpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..declarations import Operators
from .installer import MB, Plan
from .interpreter import READY, UNFINISHED

FAST_LINE = 50_000_000 / 8  # bytes per second
UNPACKING = 15_000_000  # bytes per second, of the size on disk
Translate = Callable[[str], str]


@dataclass(frozen=True)
class Step:
    """title: what the step gives; text: its size and duration; operator: its button; next: whether it is the current
    one; possible: whether it can be done yet."""

    title: str
    text: str
    operator: Operators
    done: bool
    next: bool
    possible: bool


def steps(backend: str, plan: Plan | None, tried: bool, has_model: bool, translate: Translate = str) -> list[Step]:
    """backend: a state of interpreter.py; plan: what installing will download, if known; tried: whether a clip was
    generated; has_model: whether there is a model besides the demo's; translate: translates a text."""
    done = (backend == READY, tried, has_model)
    first = next((number for number, is_done in enumerate(done) if not is_done), None)
    interrupted = f"{translate(INTERRUPTED)} " if backend == UNFINISHED else ""
    texts = (interrupted + size_and_time(plan, translate), translate(DEMO_TEXT), translate(MODEL_TEXT))
    return [
        Step(translate(TITLES[n]), texts[n], OPERATORS[n], done[n], n == first, n == 0 or backend == READY)
        for n in range(3)
    ]


def size_and_time(plan: Plan | None, translate: Translate = str) -> str:
    """What installing needs, in two sentences."""
    if plan is None:
        return f"{translate(WHAT)} {translate(APART)}"
    minutes = max(1, round((plan.download_bytes / FAST_LINE + plan.disk_bytes / UNPACKING) / 60))
    sizes = {"download": f"{plan.download_bytes / MB:,.0f}", "disk": f"{plan.disk_bytes / MB:,.0f}"}
    return f"{translate(WHAT)} {translate(SIZES if plan.download_bytes else SIZE).format(minutes=minutes, **sizes)}"


def needs(model: dict[str, Any], translate: Translate = str) -> str:
    """What a model of the catalog needs. model: its row."""
    text = NEEDS if model["download_bytes"] else HAS
    size = (model["download_bytes"] or model["bytes"]) / (1000 * MB)
    return translate(text).format(size=f"{size:.1f}", vram=model["vram"])


NEEDS = "{size} GB to download; requires a graphics card with {vram} GB or more"
HAS = "{size} GB on disk; requires a graphics card with {vram} GB or more"
WHAT = "The program that generates the clips."
APART = "It is installed separately from Blender."
INTERRUPTED = "The installation was interrupted and will continue from there."
SIZES = "{download} MB to download, {disk} MB on disk; about {minutes} min on a fast connection."
SIZE = "Nothing to download, {disk} MB on disk; about {minutes} min."
TITLES = ("Install the backend", "Try the demo model", "Download a model")
OPERATORS = (Operators.INSTALL_BACKEND, Operators.TRY_DEMO, Operators.GET_MODEL)
DEMO_TEXT = "It is included: a small world of balls, cubes and cones. Takes less than a minute."
MODEL_TEXT = "For clips of any subject. Several GB; requires a graphics card with 8 GB or more."
