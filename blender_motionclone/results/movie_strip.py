"""A clip in the sequencer, one strip frame to one scene frame."""

from __future__ import annotations

import os
from pathlib import Path

import bpy

from ..errors import UserError
from .finished_job import FinishedJob

CHANNELS = 128


def add_movie_strip(scene: bpy.types.Scene, job: FinishedJob, relative: bool) -> bpy.types.Strip:
    """Adds job.movie on exactly the shot's frames, above what lies there, stretched over the frame.

    Frame range, frame rate and resolution of the scene stay as they are. Stretched: the reference held exactly the
    camera's frame, at sides the model takes, so stretching puts every pixel back to its place in the shot.
    """
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences  # 4.2
    strip = strips.new_movie(
        name=job.name,
        filepath=_path(job.movie, relative),
        channel=free_channel(strips, job.frame_start, job.frame_start + job.frames),
        frame_start=job.frame_start,
        fit_method="STRETCH",
    )
    if strip.frame_duration != job.frames:
        found = strip.frame_duration
        strips.remove(strip)
        raise UserError(f"{job.movie} has {found} frames; the shot has {job.frames}.", "Generate the clip again.")
    strip.colorspace_settings.name = "sRGB"
    return strip


def free_channel(strips: bpy.types.bpy_prop_collection, start: int, end: int) -> int:
    """The lowest channel above every strip that touches the frames start..end - 1, so that the clip is seen."""
    taken = [s.channel for s in strips if s.frame_final_start < end and start < s.frame_final_end]
    channel = max(taken, default=0) + 1
    if channel > CHANNELS:
        raise UserError(f"No channel is free above frames {start} to {end - 1}.", "Move the strips there down.")
    return channel


def show_in_sequencer(context: bpy.types.Context, scene: bpy.types.Scene) -> None:
    """Blender 5 shows the sequence of a scene the workspace names; while it names none, the strip would not be seen."""
    workspace = context.workspace
    if hasattr(workspace, "sequencer_scene") and workspace.sequencer_scene is None:
        workspace.sequencer_scene = scene


def _path(movie: Path, relative: bool) -> str:
    if relative and bpy.data.is_saved:
        try:
            return bpy.path.relpath(str(movie))
        except ValueError:  # another drive than the .blend's
            pass
    return os.fspath(movie)
