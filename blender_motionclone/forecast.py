"""Describes what Generate will do."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .capture.plan import CapturePlan
from .jobs.timings import Timings, duration, kind_of
from .prompt_words import PromptWords
from .translations import sentence

MAX_FRAMES_EACH = 5.0  # shot frames that one model frame can represent without losing much motion
LONG = (
    "Each frame of the model covers {frames} frames of the shot, so fast motion is lost. Set frames to auto, or split "
    "the shot with camera markers and choose All Shots."
)


def count_of(words: PromptWords) -> str:
    """For example "12 of 30 tokens"."""
    return iface_("{tokens} of {longest} tokens").format(tokens=words.tokens, longest=words.longest)


def takes_of_a_shot(settings: bpy.types.PropertyGroup) -> int:
    """The number of takes of one shot: prompts times seeds."""
    prompts = 1 + sum(bool(more.text.strip()) for more in settings.more_prompts)
    return prompts * settings.seeds


def button(plans: Sequence[CapturePlan]) -> str:
    """For example "Clone frames 1-48 of Camera"."""
    if len(plans) == 1:
        return iface_("Clone {title}").format(title=sentence(plans[0].title))
    return iface_("Clone {count} shots").format(count=len(plans))


def detail(plans: Sequence[CapturePlan], takes: int, timings: Timings) -> str:
    """For example "3 takes of 40 frames at 512 x 288, 5.0 s in 3 contexts, about 2 min".

    The time is left out while it is unknown.
    """
    plan = plans[0]
    height, width = plan.size
    text = iface_("{count} frames at {width} x {height}").format(count=plan.count, width=width, height=height)
    if plan.contexts > 1:
        grid = plan.shot.grid
        said = iface_("{what}, {seconds} s in {contexts} contexts")
        text = said.format(what=text, seconds=f"{grid.frames / grid.fps:.1f}", contexts=plan.contexts)
    if takes > 1:
        text = iface_("{takes} takes of {what}").format(takes=takes, what=text)
    kind = kind_of(plan.request.model, plan.request.settings, plan.count, plan.size)
    seconds = timings.seconds(kind, plan.contexts)
    return text if seconds is None else f"{text}, {duration(seconds * takes, iface_)}"


def advice(plans: Sequence[CapturePlan]) -> str:
    """Advice for a long shot, because motion between two of the model's frames is lost."""
    longest = max(plan.frames_each for plan in plans)
    return iface_(LONG).format(frames=f"{longest:.1f}") if longest > MAX_FRAMES_EACH else ""
