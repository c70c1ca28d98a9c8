"""Puts a finished take where the user wants it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..errors import UserError
from .colours import set_space, tend_view
from .finished_job import FinishedJob, read_finished_job
from .movie_strip import put_strip, show_in_sequencer
from .strip_names import shown_range


@dataclass(frozen=True, kw_only=True)
class Wish:
    """replace: an earlier take of the same shot goes from its place; keep_view: see colours.tend_view."""

    replace: bool = True
    keep_view: bool = False


@dataclass(frozen=True, kw_only=True)
class Placement:
    """name: of the strip, material, object, camera or node; replaced: the job that was there before, or "";
    text: what was done; note: what became of colours."""

    name: str
    replaced: str
    text: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.text}. {self.note}".strip() if self.note else self.text


def place_take(
    context: bpy.types.Context,
    scene: bpy.types.Scene,
    take: bpy.types.PropertyGroup,
    how: str,
    replace: bool = True,
) -> str:
    """Places the take's clip (how: an identifier of properties.PLACES) and says where; UserError when it cannot.

    The caller makes an undo step of it.
    """
    job = read_finished_job(Path(bpy.path.abspath(take.folder)), take.frame_start)
    return str(place_job(context, scene, job, how, Wish(replace=replace)))


def place_job(context: bpy.types.Context, scene: bpy.types.Scene, job: FinishedJob, how: str, wish: Wish) -> Placement:
    """As place_take, for jobs that may be no take of this scene."""
    if not scene.is_editable:
        raise UserError(f"Scene {scene.name!r} is linked and cannot be changed.", "Make it local, or open its file.")
    placement = PLACERS[how](context, scene, job, wish)
    _remember(scene, job, how, placement)
    return placement


def _remember(scene: bpy.types.Scene, job: FinishedJob, how: str, placement: Placement) -> None:
    for take in scene.motionclone.takes:
        if take.name == job.id:
            take.place, take.placed_in = how, placement.name
        elif take.name == placement.replaced and take.place == how:
            take.place = take.placed_in = ""


def _place_strip(context: bpy.types.Context, scene: bpy.types.Scene, job: FinishedJob, wish: Wish) -> Placement:
    strip, replaced = put_strip(scene, job, wish.replace)
    show_in_sequencer(context, scene)
    space, note = tend_view(scene, wish.keep_view)
    set_space(strip.colorspace_settings, space)
    where = f"channel {strip.channel}, in the place of an earlier take" if replaced else f"channel {strip.channel}"
    text = f"{strip.name!r} lies on {where}, frame {shown_range(strip)[0]} on"
    return Placement(name=strip.name, replaced=replaced, text=text, note=note)


Placer = Callable[[bpy.types.Context, bpy.types.Scene, FinishedJob, Wish], Placement]
PLACERS: dict[str, Placer] = {"STRIP": _place_strip}
