"""A strip and what is around it in the sequencer: its metas, its effects, and the frames at which it is seen."""

from __future__ import annotations

import bpy

from ..errors import UserError
from .stage import AGAIN
from .strip_names import all_strips_of, shown_range, strips_of


def strip_named(editor: bpy.types.SequenceEditor | None, name: str) -> bpy.types.Strip:
    """UserError when it is gone."""
    for strip in all_strips_of(editor) if editor else ():
        if strip.name == name:
            return strip
    raise UserError(f"The strip {name!r} is gone since the shot was planned.", AGAIN)


def metas_around(editor: bpy.types.SequenceEditor, strip: bpy.types.Strip) -> list[bpy.types.Strip]:
    """The innermost one last."""
    return [meta for meta in all_strips_of(editor) if meta.type == "META" and meta != strip and _holds(meta, strip)]


def _holds(meta: bpy.types.Strip, wanted: bpy.types.Strip) -> bool:
    return any(strip == wanted or strip.type == "META" and _holds(strip, wanted) for strip in strips_of(meta))


def frames_seen(editor: bpy.types.SequenceEditor, strip: bpy.types.Strip) -> tuple[int, int]:
    """First and last frame: a meta strip cuts off what lies beyond its own ends."""
    ranges = [shown_range(each) for each in (strip, *metas_around(editor, strip))]
    return int(max(start for start, _ in ranges)), int(min(end for _, end in ranges)) - 1


def leave_only(editor: bpy.types.SequenceEditor | None, name: str) -> bpy.types.Strip:
    """Silences all strips but that one and the metas around it, whose channels are heard whatever the user muted."""
    wanted = strip_named(editor, name)
    around = metas_around(editor, wanted)
    for strip in all_strips_of(editor):
        strip.mute = strip not in (wanted, *around)
    for channels in (owner.channels for owner in (editor, *around)):
        for channel in channels:
            channel.mute = False
    wanted.blend_type, wanted.blend_alpha = "REPLACE", 1.0
    return wanted


def left_out(editor: bpy.types.SequenceEditor, strip: bpy.types.Strip) -> list[str]:
    """Sentences about effects that change how the strip looks in its sequence: the reference is of the strip alone."""
    first, last = frames_seen(editor, strip)
    around = [strip, *metas_around(editor, strip)]
    names = [each.name for each in all_strips_of(editor) if not each.mute and _acts_on(each, around, first, last)]
    if not names:
        return []
    return [f"The reference shows the strip {strip.name!r} without the effects above it: {', '.join(names)}."]


def _acts_on(effect: bpy.types.Strip, strips: list[bpy.types.Strip], first: int, last: int) -> bool:
    inputs = [getattr(effect, name, None) for name in ("input_1", "input_2", "input_3")]
    if any(each in strips for each in inputs if each):
        return True
    start, end = shown_range(effect)
    below = any(effect.channel > each.channel for each in strips)
    return effect.type == "ADJUSTMENT" and below and start <= last and first < end
