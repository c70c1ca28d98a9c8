"""A clip in the sequencer, with one frame of the strip per scene frame."""

from __future__ import annotations

from collections.abc import Collection

import bpy

from ...backend.job_folder.problem import Problem, Sentence
from ..capture.strips import all_strips_of, content_length, shown_range, strips_of
from .colors import clip_space, neutralize_view, set_space
from .finished_job import FinishedJob
from .movie_image import stored_path
from .placement import Placement, PlacementOptions, give_name, has_given_name, job_shown, mark, same_take, shows_shot

CHANNELS = 128


def put_strip(scene: bpy.types.Scene, job: FinishedJob, replace: bool) -> tuple[bpy.types.Strip, str]:
    """Adds job.movie, or gives it to the strip of an earlier take of the same shot.

    Returns the strip and the other job that it showed before, or "". A take that already has strips uses them. A
    replaced strip keeps its position, channel, trims, effects and modifiers, because those were meant for the shot.
    """
    own = [strip for strip in strips_of_shot(scene, job) if job_shown(strip) == job.id]
    earlier = (own or earlier_strips(scene, job)) if replace else []
    if not earlier:
        return _add(scene, job), ""
    before = job_shown(earlier[-1])
    for strip in earlier:
        _swap(strip, job)
    if own:
        show_alone(scene, job, job.id)
    return earlier[-1], before if before != job.id else ""


def strips_of_shot(scene: bpy.types.Scene, job: FinishedJob) -> list[bpy.types.Strip]:
    """Strips with takes of its shot; the visible one is last."""
    if scene.sequence_editor is None:
        return []
    found = [s for s in all_strips_of(scene.sequence_editor) if s.type == "MOVIE" and shows_shot(s, job)]
    return sorted(found, key=lambda strip: (not strip.mute, strip.channel))


def earlier_strips(scene: bpy.types.Scene, job: FinishedJob) -> list[bpy.types.Strip]:
    """Strips of the visible take of the shot."""
    found = strips_of_shot(scene, job)
    return same_take(found, found[-1]) if found else []


def show_alone(scene: bpy.types.Scene, job: FinishedJob, best: str, among: Collection[str] = ()) -> None:
    """Of the takes of the job's shot, only `best` is visible; the others are muted. among: limits it to these."""
    for strip in strips_of_shot(scene, job):
        if not among or job_shown(strip) in among:
            strip.mute = job_shown(strip) != best


def _swap(strip: bpy.types.Strip, job: FinishedJob) -> None:
    before = strip.filepath
    strip.filepath = stored_path(job.movie)
    if (found := content_length(strip)) != job.frames:
        strip.filepath = before
        raise _of_another_length(job, found)
    if has_given_name(strip):
        give_name(strip, job.name)
    mark(strip, job)


def _add(scene: bpy.types.Scene, job: FinishedJob) -> bpy.types.Strip:
    """Adds it on exactly the shot's frames, above other strips, stretched over the frame.

    The scene's frame range, frame rate and resolution are unchanged. The reference had exactly the shot's frame but the
    model's resolution, so stretching restores every pixel's position in the shot.
    """
    path = stored_path(job.movie)
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips = strips_of(editor)
    is_first = not len(strips)
    strip = strips.new_movie(
        name=job.name,
        filepath=path,
        channel=free_channel(editor, job.frame_start, job.frame_start + job.frames),
        frame_start=job.frame_start,
        fit_method="STRETCH",
    )
    if (found := content_length(strip)) != job.frames:
        strips.remove(strip)
        raise _of_another_length(job, found)
    give_name(strip, job.name)
    mark(strip, job)
    if is_first and scene.camera:
        scene.render.use_sequencer = False  # F12 still renders the scene; who edits here has strips already
    return strip


def _of_another_length(job: FinishedJob, found: int) -> Problem:
    return Problem("{movie} has {found} frames, but the shot has {frames}.", "Generate the clip again.").about(
        movie=job.movie, found=found, frames=job.frames
    )


def free_channel(editor: bpy.types.SequenceEditor, start: int, end: int) -> int:
    """The lowest channel above all strips in frames start..end - 1, so that the clip is visible.

    Skips channels that are locked or muted, because nothing may change or be visible there.
    """
    spans = [(strip.channel, *shown_range(strip)) for strip in strips_of(editor)]
    lowest = max((channel for channel, first, last in spans if first < end and start < last), default=0) + 1
    for channel in range(lowest, CHANNELS + 1):
        if not (editor.channels[channel].lock or editor.channels[channel].mute):
            return channel
    raise Problem(
        "There is no free channel above frames {start} to {end}.", "Move the strips there to lower channels."
    ).about(start=start, end=end - 1)


def place_strip(
    context: bpy.types.Context, scene: bpy.types.Scene, job: FinishedJob, options: PlacementOptions
) -> Placement:
    space = clip_space(scene, options.keep_view)
    strip, replaced = put_strip(scene, job, options.replace)
    set_space(strip.colorspace_settings, space)
    show_in_sequencer(context, scene)
    text = Sentence(
        "{strip} was placed on channel {channel} of scene {scene}, from frame {start}",
        strip=repr(strip.name),
        channel=strip.channel,
        scene=repr(scene.name),
        start=shown_range(strip)[0],
    )
    return Placement(name=strip.name, replaced=replaced, text=text, note=neutralize_view(scene, options.keep_view))


def show_in_sequencer(context: bpy.types.Context, scene: bpy.types.Scene) -> None:
    """Blender 5 shows the sequence of the scene that the workspace names. If it names none, the strip would not be
    visible. Workspaces that name another scene are not changed."""
    for workspace in bpy.data.workspaces if hasattr(context.workspace, "sequencer_scene") else ():
        workspace.sequencer_scene = workspace.sequencer_scene or scene
