"""Which camera a scene's markers choose at a frame: Blender's own rule, without moving the user's playhead."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import bpy


@dataclass(frozen=True)
class Span:
    """Frames `first` up to the next span's are seen through the marker's camera."""

    marker: bpy.types.TimelineMarker
    first: int

    @property
    def camera(self) -> bpy.types.Object:
        return self.marker.camera


def spans_of(scene: bpy.types.Scene) -> list[Span]:
    """In the order of time; the first one also holds all frames before its marker.

    As Blender takes them: of several markers on one frame the first that was made, and none whose camera is hidden in
    renders. Markers count stretched time: where it is stretched, their frames are others than those rendered.
    """
    markers: dict[int, bpy.types.TimelineMarker] = {}
    for marker in scene.timeline_markers:
        if marker.camera and not marker.camera.hide_render:
            markers.setdefault(marker.frame, marker)
    old, new = scene.render.frame_map_old, scene.render.frame_map_new
    return [Span(marker, ceil(frame * new / old)) for frame, marker in sorted(markers.items())]


def camera_at(scene: bpy.types.Scene, frame: float) -> bpy.types.Object | None:
    """The one that a render of this frame shows; None where the scene has none."""
    spans = spans_of(scene)
    if not spans:
        return scene.camera
    return next((span for span in reversed(spans) if span.first <= frame), spans[0]).camera
