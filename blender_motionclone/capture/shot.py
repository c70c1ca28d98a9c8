"""A scene's shots, and the cameras of its markers. Checked before anything slow is done."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import bpy

from ...backend.job_folder.problem import Problem
from ...backend.job_folder.request import Shot
from ..declarations import Operators


@dataclass(frozen=True)
class Span:
    """The marker's camera is active from frame `first` to the frame before the next span."""

    marker: bpy.types.TimelineMarker
    first: int

    @property
    def camera(self) -> bpy.types.Object:
        return self.marker.camera


def spans_of(scene: bpy.types.Scene) -> list[Span]:
    """Sorted by time. The first span also includes all frames before its marker.

    Follows Blender's rules: of several markers on one frame the oldest counts, and a camera that is hidden in renders
    does not. Markers use stretched time, so with time stretching their frames differ from rendered frames.
    """
    markers: dict[int, bpy.types.TimelineMarker] = {}
    for marker in scene.timeline_markers:
        if marker.camera and not marker.camera.hide_render:
            markers.setdefault(marker.frame, marker)
    old, new = scene.render.frame_map_old, scene.render.frame_map_new
    return [Span(marker, ceil(frame * new / old)) for frame, marker in sorted(markers.items())]


def camera_at(scene: bpy.types.Scene, frame: float) -> bpy.types.Object | None:
    """The camera that a render of this frame shows. None if the scene has none."""
    spans = spans_of(scene)
    if not spans:
        return scene.camera
    return next((span for span in reversed(spans) if span.first <= frame), spans[0]).camera


@dataclass(frozen=True, kw_only=True)
class SceneShot:
    """Scene frames start..end, both included; fps: frames per second; aspect: width / height as shown."""

    start: int
    end: int
    fps: float
    aspect: float

    @property
    def grid(self) -> Shot:
        """The frame grid that the result must have."""
        return Shot(frames=self.end - self.start + 1, fps=self.fps)


def range_shot(scene: bpy.types.Scene) -> SceneShot:
    """The scene's frame range as one shot. Problem says why it is not one."""
    start, end = scene.frame_start, scene.frame_end
    if end < start:
        raise Problem(
            "The frame range ends ({end}) before it starts ({start}).",
            "Set the End frame to a frame after the Start.",
            repair=Operators.SET_END,
        ).about(start=start, end=end)
    if end == start:
        raise Problem(
            "The shot has only one frame (frame {start}), so nothing can move.",
            "Set a later End frame.",
            repair=Operators.SET_END,
        ).about(start=start)
    if scene.frame_step != 1:
        raise Problem(
            "The frame step is {frame_step}, but a shot needs every frame.",
            "Set Output > Frame Range > Step to 1.",
            repair=Operators.EVERY_FRAME,
        ).about(frame_step=scene.frame_step)
    return shot_between(scene, start, end)


def shot_between(scene: bpy.types.Scene, start: int, end: int) -> SceneShot:
    """Frames start..end with the scene's own frame rate and aspect."""
    return SceneShot(start=start, end=end, fps=frame_rate(scene), aspect=aspect_of(scene))


def frame_rate(scene: bpy.types.Scene) -> float:
    return scene.render.fps / scene.render.fps_base


def aspect_of(scene: bpy.types.Scene) -> float:
    render = scene.render
    return render.resolution_x * render.pixel_aspect_x / (render.resolution_y * render.pixel_aspect_y)


def camera_shots(scene: bpy.types.Scene, which: str) -> list[tuple[SceneShot, bpy.types.Object]]:
    """(shot, camera) for `which` of "RANGE", "MARKER" and "ALL"; see properties.SHOTS."""
    if which == "RANGE":
        return [(range_shot(scene), checked_camera(scene))]
    shots = _marker_shots(scene)
    if which == "MARKER":
        shots = [s for s in shots if s[1] <= scene.frame_current <= s[2]]
        if not shots:
            raise Problem(
                "No camera marker's shot contains frame {frame_current}.",
                "Go to a frame within the frame range, or choose Shots > Frame Range.",
                repair=Operators.USE_RANGE,
            ).about(frame_current=scene.frame_current)
    return [(shot_between(scene, start, end), marker.camera) for marker, start, end in shots]


def checked_camera(scene: bpy.types.Scene) -> bpy.types.Object:
    if scene.camera and scene.camera.type == "CAMERA":
        return scene.camera
    repair = Operators.USE_CAMERA if cameras_of(scene) else Operators.ADD_CAMERA
    if scene.camera is None:
        raise Problem(
            "Scene {scene} has no camera.", "Add one (Add > Camera), or set Scene > Camera.", repair=repair
        ).about(scene=repr(scene.name))
    raise Problem(
        "The scene's camera {camera} is not a camera object.", "Choose another object in Scene > Camera.", repair=repair
    ).about(camera=repr(scene.camera.name))


def cameras_of(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    return [item for item in scene.objects if item.type == "CAMERA"]


def _marker_shots(scene: bpy.types.Scene) -> list[tuple[bpy.types.TimelineMarker, int, int]]:
    """(marker, first frame, last frame) of each shot that the camera markers make of the frame range."""
    whole, spans = range_shot(scene), spans_of(scene)
    if not spans and any(marker.camera for marker in scene.timeline_markers):
        raise Problem(
            "The cameras of all markers are hidden in renders, so Blender uses none of them.",
            "Show one in renders (Object > Visibility > Renders), or choose Shots > Frame Range.",
            repair=Operators.USE_RANGE,
        )
    if not spans:
        raise Problem(
            "The timeline has no markers with a camera.",
            "Select a camera and use Marker > Bind Camera to Markers in the timeline. Or choose Shots > Frame Range.",
            repair=Operators.USE_RANGE,
        )
    shots = [(span.marker, start, end) for span, start, end in _within(spans, whole)]
    for marker, start, end in shots:
        if marker.camera.type != "CAMERA":
            raise Problem(
                "The marker {marker} is bound to {camera}, which is not a camera.", "Bind it to a camera."
            ).about(marker=repr(marker.name), camera=repr(marker.camera.name))
        if start == end:
            raise Problem(
                "The shot of the marker {marker} has only one frame (frame {start}), so nothing can move.",
                "Move or remove the marker.",
            ).about(marker=repr(marker.name), start=start)
    return shots


def _within(spans: list[Span], whole: SceneShot) -> list[tuple[Span, int, int]]:
    """(span, first frame, last frame) of the spans that have frames in the shot."""
    starts = [whole.start, *(max(span.first, whole.start) for span in spans[1:])]
    ends = [*(span.first - 1 for span in spans[1:]), whole.end]
    cut = [(span, start, min(end, whole.end)) for span, start, end in zip(spans, starts, ends)]
    return [(span, start, end) for span, start, end in cut if start <= end]


def cuts_within(scene: bpy.types.Scene, shot: SceneShot, camera: bpy.types.Object) -> Problem | None:
    """What the user must know about a shot that markers would cut. A reference with a cut would have two motions, so
    one camera shows all of it."""
    cuts = sum(span.camera != camera for span, _, _ in _within(spans_of(scene), shot))
    if not cuts:
        return None
    many = "a cut" if cuts == 1 else f"{cuts} cuts"
    return Problem(
        "The frame range has {many} to another camera, but the reference shows only {camera}.",
        "Choose Shots > All Shots to get a take of each camera.",
        repair=Operators.ALL_SHOTS,
    ).about(many=many, camera=camera.name)
