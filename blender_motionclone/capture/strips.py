"""Strips that are captured: their API names in each Blender, the strips around them, their files, and their framing."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import bpy

from ...backend.job_folder.problem import Problem, Sentence
from .scene_animation import animated_paths
from .stage import AGAIN

PIXEL = 1.0  # tolerance at an edge
NEAR = 1e-4
PICTURE = ("transform.", "crop.", "use_flip_x", "use_flip_y")


def strips_of(editor: bpy.types.SequenceEditor) -> bpy.types.bpy_prop_collection:
    """Strips outside of meta strips, where new ones are added."""
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def all_strips_of(editor: bpy.types.SequenceEditor) -> list[bpy.types.Strip]:
    """All strips, including those inside of meta strips."""
    return list(editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all)


def shown_range(strip: bpy.types.Strip) -> tuple[int, int]:
    """The first frame, and the frame after the last."""
    if hasattr(strip, "left_handle"):
        return strip.left_handle, strip.right_handle
    return strip.frame_final_start, strip.frame_final_end


def content_length(strip: bpy.types.Strip) -> int:
    """The number of frames of its file, as Blender counts them."""
    return strip.content_duration if hasattr(strip, "content_duration") else strip.frame_duration


def strip_named(editor: bpy.types.SequenceEditor | None, name: str) -> bpy.types.Strip:
    """Problem when it is gone."""
    for strip in all_strips_of(editor) if editor else ():
        if strip.name == name:
            return strip
    raise Problem("The strip {name} no longer exists.", AGAIN).about(name=repr(name))


def metas_around(editor: bpy.types.SequenceEditor, strip: bpy.types.Strip) -> list[bpy.types.Strip]:
    """The meta strips that contain the strip, the innermost one last."""
    return [meta for meta in all_strips_of(editor) if meta.type == "META" and meta != strip and _holds(meta, strip)]


def _holds(meta: bpy.types.Strip, wanted: bpy.types.Strip) -> bool:
    return any(strip == wanted or strip.type == "META" and _holds(strip, wanted) for strip in strips_of(meta))


def frames_seen(editor: bpy.types.SequenceEditor, strip: bpy.types.Strip) -> tuple[int, int]:
    """The first and last visible frame: a meta strip hides what is outside of its own range."""
    ranges = [shown_range(each) for each in (strip, *metas_around(editor, strip))]
    return int(max(start for start, _ in ranges)), int(min(end for _, end in ranges)) - 1


def isolate(editor: bpy.types.SequenceEditor | None, name: str) -> bpy.types.Strip:
    """Mutes all strips except that one and the meta strips around it. Unmutes their channels."""
    wanted = strip_named(editor, name)
    around = metas_around(editor, wanted)
    for strip in all_strips_of(editor):
        strip.mute = strip not in (wanted, *around)
    for channels in (owner.channels for owner in (editor, *around)):
        for channel in channels:
            channel.mute = False
    wanted.blend_type, wanted.blend_alpha = "REPLACE", 1.0
    return wanted


def ignored_effects(editor: bpy.types.SequenceEditor, strip: bpy.types.Strip) -> list[str]:
    """Notes about effects that change the strip in its sequence: the reference shows the strip alone."""
    first, last = frames_seen(editor, strip)
    around = [strip, *metas_around(editor, strip)]
    names = [each.name for each in all_strips_of(editor) if not each.mute and _acts_on(each, around, first, last)]
    if not names:
        return []
    return [
        Sentence(
            "The reference shows the strip {strip} without the effects above it: {names}.",
            strip=repr(strip.name),
            names=", ".join(names),
        )
    ]


def _acts_on(effect: bpy.types.Strip, strips: list[bpy.types.Strip], first: int, last: int) -> bool:
    inputs = [getattr(effect, name, None) for name in ("input_1", "input_2", "input_3")]
    if any(each in strips for each in inputs if each):
        return True
    start, end = shown_range(effect)
    below = any(effect.channel > each.channel for each in strips)
    return effect.type == "ADJUSTMENT" and below and start <= last and first < end


def check_media(strip: bpy.types.Strip, first: int, last: int) -> None:
    """Problem when a file that the strip needs at frames first..last is missing or empty. No file is opened."""
    needed = list(dict.fromkeys(_files(strip, range(first, last + 1), set())))
    missing = [path for path in needed if not _is_there(path)]
    if not missing:
        return
    hint = "Restore the files, or correct the strip's path (Strip > Source)."
    if len(needed) == 1:
        raise Problem("The file of the strip {strip} cannot be found or read: {missing}.", hint).about(
            strip=repr(strip.name), missing=missing[0]
        )
    raise Problem(
        "{count} of the {count2} files of the strip {strip} cannot be found or read, such as {missing}.", hint
    ).about(count=len(missing), count2=len(needed), strip=repr(strip.name), missing=missing[0])


def _files(strip: bpy.types.Strip, frames: range | None, seen: set[str]) -> Iterator[Path]:
    """frames: the ones that matter, None for all."""
    if strip.type == "MOVIE":
        yield _path(strip.filepath, strip)
    elif strip.type == "IMAGE":
        elements = strip.elements if frames is None else filter(None, map(strip.strip_elem_from_frame, frames))
        for name in dict.fromkeys(element.filename for element in elements):
            yield _path(os.path.join(strip.directory, name), strip)
    elif strip.type == "SCENE" and strip.scene_input == "SEQUENCER" and strip.scene:
        yield from _files_of_scene(strip.scene, seen)


def _files_of_scene(scene: bpy.types.Scene, seen: set[str]) -> Iterator[Path]:
    """seen: scenes that were already checked, because strips can show each other's scenes."""
    if scene.name_full in seen or not scene.sequence_editor:
        return
    seen.add(scene.name_full)
    for strip in all_strips_of(scene.sequence_editor):
        if not strip.mute:
            yield from _files(strip, None, seen)


def _path(text: str, strip: bpy.types.Strip) -> Path:
    return Path(bpy.path.abspath(text, library=strip.id_data.library))


def _is_there(path: Path) -> bool:
    """Whether it is a regular file that is not empty. Reading a pipe would block."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size > 0 and os.access(path, os.R_OK)


def check_plain(home: bpy.types.Scene, strip: bpy.types.Strip) -> None:
    """Problem when the strip changes its scene's picture. It names the property that does."""
    shown = strip.scene.render
    size = [side * shown.resolution_percentage / 100 for side in (shown.resolution_x, shown.resolution_y)]
    frame = (home.render.resolution_x, home.render.resolution_y)
    metas = metas_around(home.sequence_editor, strip)
    found = [_changed(meta, frame, frame) or _animated(home, meta) for meta in metas]
    found += [_changed(strip, size, frame) or _animated(home, strip)]
    if what := next(filter(None, found), ""):
        raise Problem(
            "The strip {strip} does not show its scene's whole picture: {what}.",
            "Reset that in the strip's settings, or choose Reference > Camera in the strip's scene.",
        ).about(strip=repr(strip.name), what=what)


def _changed(strip: bpy.types.Strip, size, frame) -> str:
    """ "" when a picture of that size fills the frame; both sizes are in pixels."""
    transform, crop = strip.transform, strip.crop
    right = [whole / side for side, whole in zip(size, frame)]
    scale = (transform.scale_x, transform.scale_y)
    if any(abs(own - fit) * side > PIXEL for own, fit, side in zip(scale, right, size)):
        return f"its Scale is {_numbers(scale)}, and {_numbers(right)} would fill the frame"
    if max(abs(transform.offset_x), abs(transform.offset_y)) > PIXEL:
        return f"its Position is {_numbers((transform.offset_x, transform.offset_y))}"
    if abs(transform.rotation) > NEAR:
        return "its Rotation is set"
    if any((crop.min_x, crop.max_x, crop.min_y, crop.max_y)):
        return "its Crop is set"
    mirrored = [axis for axis in "xy" if getattr(strip, f"use_flip_{axis}")]
    return f"its Mirror (Flip {mirrored[0].upper()}) is on" if mirrored else ""


def _numbers(both) -> str:
    return " x ".join(f"{value:.4g}" for value in both)


def _animated(home: bpy.types.Scene, strip: bpy.types.Strip) -> str:
    """Names an animated property, because its value at the current frame says nothing about others."""
    data, path = home.animation_data, strip.path_from_id()
    if not data:
        return ""
    names = [name.removeprefix(f"{path}.") for name in animated_paths(data) if name.startswith(f"{path}.")]
    moved = next((name for name in names if name.startswith(PICTURE)), "")
    return f"its property {moved} is animated" if moved else ""
