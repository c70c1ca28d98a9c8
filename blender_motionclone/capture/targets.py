"""Whose motion is captured: a camera's shot, the 3D view, a strip, or a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import bpy

from ..errors import UserError
from ..setup.clip_calls import ClipFacts
from .clip_file import clip_facts
from .shot import SceneShot, aspect_of, camera_shots, checked_camera, frame_rate, range_shot

DRAWN_BY_BLENDER = ("BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH")
MOST_FRAMES = 100_000  # as job.json allows


@dataclass(frozen=True, kw_only=True)
class Target:
    """kind: of properties.SOURCES, or "CAMERA" for a scene strip that shows one. title: for a button.

    home: full name of the scene whose frames `shot` counts and which gets the take. scene, view_layer: what is
    captured; its frame is home's plus `shift`. camera, strip: full name, and name. clip: of a file.
    view: the 3D view's area, as a pointer. notes: sentences for the user.
    """

    kind: str
    title: str
    home: str
    scene: str
    view_layer: str
    shot: SceneShot
    shift: int = 0
    camera: str = ""
    strip: str = ""
    clip: ClipFacts | None = None
    view: int = 0
    notes: tuple[str, ...] = ()


def targets_of(context: bpy.types.Context) -> list[Target]:
    """What the scene's settings name, one for each shot. UserError says what is wrong with it."""
    return _SOURCES[context.scene.motionclone.source](context)


def _cameras(context: bpy.types.Context) -> list[Target]:
    scene = context.scene
    return [
        Target(
            kind="CAMERA",
            title=f"frames {shot.start}-{shot.end} of {camera.name}",
            home=scene.name_full,
            scene=scene.name_full,
            view_layer=context.view_layer.name,
            shot=shot,
            camera=camera.name_full,
            notes=tuple(notes),
        )
        for shot, camera, notes in camera_shots(scene, scene.motionclone.shots)
    ]


def open_view(context: bpy.types.Context) -> bpy.types.Area | None:
    """The 3D view that the user is in, else the largest on the screen."""
    areas = [area for area in context.screen.areas if area.type == "VIEW_3D"] if context.screen else []
    return context.area if context.area in areas else max(areas, key=lambda a: a.width * a.height, default=None)


def _viewport(context: bpy.types.Context) -> list[Target]:
    if bpy.app.background:
        raise UserError(
            "The viewport can only be captured in Blender's window, and this Blender runs without one.",
            "Choose Reference > Camera.",
        )
    area = open_view(context)
    if not area:
        raise UserError("No 3D view is open.", "Open one, or choose Reference > Camera.", "motionclone.clone_camera")
    scene, shot = context.scene, range_shot(context.scene)
    if area.spaces.active.shading.type == "RENDERED" and scene.render.engine not in DRAWN_BY_BLENDER:
        raise UserError(
            f"The viewport shows a render by {scene.render.engine.title()}, which cannot be captured.",
            "Set its shading to Solid or Material Preview, or choose Reference > Camera.",
            "motionclone.show_solid",
        )
    return [
        Target(
            kind="VIEWPORT",
            title=f"frames {shot.start}-{shot.end} of the viewport",
            home=scene.name_full,
            scene=scene.name_full,
            view_layer=context.view_layer.name,
            shot=shot,
            view=area.as_pointer(),
        )
    ]


def _strip(context: bpy.types.Context) -> list[Target]:
    scene = getattr(context, "sequencer_scene", None) or context.scene  # Blender 5 edits another scene than it shows
    strip = scene.sequence_editor and scene.sequence_editor.active_strip
    if not strip:
        raise UserError("No strip is active.", "Select a movie, image or scene strip in the sequencer.")
    if strip.type not in ("MOVIE", "IMAGE", "SCENE"):
        raise UserError(
            f"The active strip {strip.name!r} shows no pictures of its own.", "Select a movie, image or scene strip."
        )
    start, end = int(strip.frame_final_start), int(strip.frame_final_end) - 1
    if end <= start:
        raise UserError(f"The strip {strip.name!r} is one frame long; nothing can move.", "Select a longer one.")
    shot = SceneShot(start=start, end=end, fps=frame_rate(scene), aspect=aspect_of(scene))
    title = f"frames {start}-{end} of strip {strip.name}"
    named = {"title": title, "home": scene.name_full, "shot": shot}
    if strip.type == "SCENE" and strip.scene_input == "CAMERA":
        return [_scene_of(strip, named)]
    return [
        Target(kind="STRIP", scene=scene.name_full, view_layer=scene.view_layers[0].name, strip=strip.name, **named)
    ]


def _scene_of(strip, named: dict) -> Target:
    """A scene strip shows a camera: its scene is captured as any other, so looks and passes are to be had."""
    shown = strip.scene
    if shown is None:
        raise UserError(f"The strip {strip.name!r} shows no scene.", "Choose its scene in the strip's settings.")
    camera = strip.scene_camera or checked_camera(shown)
    return Target(
        kind="CAMERA",
        scene=shown.name_full,
        view_layer=shown.view_layers[0].name,
        camera=camera.name_full,
        # A strip's content starts at its scene's own first frame.
        shift=shown.frame_start - int(strip.frame_start),
        **named,
    )


def _file(context: bpy.types.Context) -> list[Target]:
    """The file's real time on the scene's frames, from the scene's first frame on."""
    scene = context.scene
    facts = clip_facts(context)
    fps = frame_rate(scene)
    frames = facts.frames if facts.seconds is None else max(2, round(facts.seconds * fps))
    if frames > MOST_FRAMES:
        raise UserError(
            f"{facts.path.name} lasts {frames} frames; a shot has at most {MOST_FRAMES}.", "Cut the clip into shots."
        )
    start = scene.frame_start
    shot = SceneShot(start=start, end=start + frames - 1, fps=fps, aspect=facts.size[1] / facts.size[0])
    return [
        Target(
            kind="FILE",
            title=facts.path.name,
            home=scene.name_full,
            scene=scene.name_full,
            view_layer=context.view_layer.name,
            shot=shot,
            clip=facts,
            notes=facts.notes,
        )
    ]


_SOURCES: dict[str, Callable[[bpy.types.Context], list[Target]]] = {
    "CAMERA": _cameras,
    "VIEWPORT": _viewport,
    "STRIP": _strip,
    "FILE": _file,
}
