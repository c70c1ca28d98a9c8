"""Which frames of its scene a scene strip shows, and through which camera.

Offsets, reversal, retiming, held ends and meta strips all matter, so Blender's own sequencer is asked. In a copy of the
edit, an empty scene replaces the strip's scene, and a render engine that draws nothing records which frames are asked
for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import ceil, floor
from typing import ClassVar

import bpy

from ...backend.job_folder.problem import Problem
from .plan import CapturePlan, check_camera, check_vectors
from .shot import camera_at, checked_camera
from .stage import NAME, named, put, staged, temporary
from .strips import isolate, metas_around, strip_named

EXACT = 6  # decimals of a frame number; more come from rounding errors


class MOTIONCLONE_frames(bpy.types.RenderEngine):
    """Records which frames are rendered, and draws nothing. It is registered only while it is used."""

    bl_idname = "MOTIONCLONE_frames"
    bl_label = "MotionClone"
    asked: ClassVar[list[float]] = []

    def render(self, depsgraph: bpy.types.Depsgraph) -> None:
        self.asked.append(depsgraph.scene.frame_current + depsgraph.scene.frame_subframe)


def resolved(plan: CapturePlan) -> CapturePlan:
    """The plan with the times and the camera that its scene strip shows; other plans are returned unchanged. Problem
    when the strip shows a cut."""
    target = plan.target
    if target.kind != "CAMERA" or not target.strip:
        return plan
    take_scene, shown = named(bpy.data.scenes, target.take_scene), named(bpy.data.scenes, target.scene)
    moments = _moments(take_scene, target.strip, plan.times)
    plan = replace(plan, moments=moments)
    strip = strip_named(take_scene.sequence_editor, target.strip)
    if strip.scene_camera is None:
        plan = replace(plan, target=replace(target, camera=_camera(shown, strip, plan).name_full))
    check_camera(plan)
    check_vectors(plan)
    return plan


def _camera(shown: bpy.types.Scene, strip: bpy.types.Strip, plan: CapturePlan) -> bpy.types.Object:
    cameras = [camera_at(shown, frame + part) for frame, part in plan.times]
    first = cameras[0]
    cut = next((k for k, camera in enumerate(cameras) if camera != first), None)
    if cut is not None:
        raise Problem(
            "The strip {strip} shows a cut to another camera at frame {time} of {shown}, but a reference "
            "is a single shot.",
            "Split the strip there (Strip > Split), or choose a camera in the strip's settings.",
        ).about(strip=repr(strip.name), time=plan.times[cut][0], shown=repr(shown.name))
    return first if first and first.type == "CAMERA" else checked_camera(shown)


def _moments(take_scene: bpy.types.Scene, name: str, times: list[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """(frame, subframe) of the strip's scene at each time of the timeline. Times between two frames are interpolated,
    unless the strip repeats frames (Strobe)."""
    strip = strip_named(take_scene.sequence_editor, name)
    if any(each.strobe > 1 for each in (strip, *metas_around(take_scene.sequence_editor, strip))):
        times = [(round(frame + part), 0.0) for frame, part in times]
    at = [(floor(frame + part), ceil(frame + part)) for frame, part in times]
    content = _content(take_scene, name, sorted({frame for both in at for frame in both}))
    shown = (content[low] + (content[high] - content[low]) * part for (low, high), (_, part) in zip(at, times))
    exact = [round(moment, EXACT) for moment in shown]
    return tuple((floor(moment), moment - floor(moment)) for moment in exact)


def _content(take_scene: bpy.types.Scene, name: str, frames: list[int]) -> dict[int, float]:
    """Maps frames of the timeline to the frames of the strip's scene that Blender shows there."""
    with staged(take_scene, take_scene.view_layers[0].name) as stage, _noting(stage.scene, name) as asked:
        content = {}
        for frame in frames:
            asked.clear()
            stage.scene.frame_set(frame)
            stage.look()
            if not asked:
                raise Problem(
                    "The strip {name} shows nothing at frame {frame}.",
                    "Trim the strip and its meta strips to frames where it shows something.",
                ).about(name=repr(name), frame=frame)
            content[frame] = asked[-1]
    return content


@contextmanager
def _noting(edit: bpy.types.Scene, name: str) -> Iterator[list[float]]:
    """Renders the strip alone inside the block, and records its frames."""
    strip = isolate(edit.sequence_editor, name)
    bpy.utils.register_class(MOTIONCLONE_frames)
    try:
        with (
            temporary(bpy.data.cameras, bpy.data.cameras.new(NAME)) as lens,
            temporary(bpy.data.objects, bpy.data.objects.new(NAME, lens)) as camera,
            temporary(bpy.data.scenes, bpy.data.scenes.new(NAME)) as other,
        ):
            other.frame_start, other.frame_end = strip.scene.frame_start, strip.scene.frame_end
            other.camera, other.render.resolution_x, other.render.resolution_y = camera, 8, 8
            put(edit.render, {"use_sequencer": True, "use_compositing": False, "resolution_percentage": 100})
            edit.render.resolution_x = edit.render.resolution_y = 8
            other.render.engine = edit.render.engine = MOTIONCLONE_frames.bl_idname
            strip.scene, strip.scene_camera = other, None
            yield MOTIONCLONE_frames.asked
    finally:
        bpy.utils.unregister_class(MOTIONCLONE_frames)
