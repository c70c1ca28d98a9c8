"""What is captured: a camera's shot, the 3D view, a strip, or a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import bpy

from ...backend.job_folder.problem import Problem, Sentence
from ..declarations import Operators
from ..form_scene import sequence_scene
from ..setup.backend_call import ClipFacts
from .clip_file import clip_facts
from .shot import SceneShot, camera_at, camera_shots, checked_camera, cuts_within, frame_rate, range_shot, shot_between
from .strips import check_plain, frames_seen, ignored_effects

DRAWN_BY_BLENDER = ("BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH")
MAX_FRAMES = 100_000  # the limit of job.json


@dataclass(frozen=True, kw_only=True)
class Target:
    """kind: one of properties.SOURCES, or "CAMERA" for a scene strip that shows a camera. title: for a button.

    take_scene: full name of the scene whose frames `shot` counts and that gets the take. scene, view_layer: what is
    captured. camera: its full name. strip: the name of the strip in take_scene whose content it is;
    scene_strip.resolved finds the frames of the scene that it shows. clip: of a file. view: the 3D view's area, as a
    pointer. notes: for the user. cuts: what the markers would do to the shot.
    """

    kind: str
    title: str
    take_scene: str
    scene: str
    view_layer: str
    shot: SceneShot
    camera: str = ""
    strip: str = ""
    clip: ClipFacts | None = None
    view: int = 0
    notes: tuple[str, ...] = ()
    cuts: Problem | None = None


def targets_of(context: bpy.types.Context) -> list[Target]:
    """One target per shot, as the scene's settings say. Problem says what is wrong with them."""
    return _SOURCES[context.scene.motionclone.source](context)


def _cameras(context: bpy.types.Context) -> list[Target]:
    scene = context.scene
    layer = rendered_layer(scene, context.view_layer).name
    return [_camera(scene, layer, shot, camera) for shot, camera in camera_shots(scene, scene.motionclone.shots)]


def _camera(scene: bpy.types.Scene, layer: str, shot: SceneShot, camera: bpy.types.Object) -> Target:
    cuts = cuts_within(scene, shot, camera)
    return Target(
        kind="CAMERA",
        title=Sentence("frames {start}-{end} of {camera}", start=shot.start, end=shot.end, camera=camera.name),
        take_scene=scene.name_full,
        scene=scene.name_full,
        view_layer=layer,
        shot=shot,
        camera=camera.name_full,
        notes=(cuts.message,) if cuts else (),
        cuts=cuts,
    )


def open_view(context: bpy.types.Context) -> bpy.types.Area | None:
    """The current 3D view, or the largest on the screen."""
    areas = [area for area in context.screen.areas if area.type == "VIEW_3D"] if context.screen else []
    return context.area if context.area in areas else max(areas, key=lambda a: a.width * a.height, default=None)


def _viewport(context: bpy.types.Context) -> list[Target]:
    if bpy.app.background:
        raise Problem(
            "The viewport can only be captured in a window, but this Blender runs in the background.",
            "Choose Reference > Camera.",
        )
    area = open_view(context)
    if not area:
        raise Problem(
            "No 3D viewport is open.", "Open one, or choose Reference > Camera.", repair=Operators.CLONE_CAMERA
        )
    scene, shot = context.scene, range_shot(context.scene)
    if area.spaces.active.shading.type == "RENDERED" and scene.render.engine not in DRAWN_BY_BLENDER:
        raise Problem(
            "The viewport shows a render by {title}, which cannot be captured.",
            "Set its shading to Solid or Material Preview, or choose Reference > Camera.",
            repair=Operators.SHOW_SOLID,
        ).about(title=scene.render.engine.title())
    cuts = _cuts_in_view(area.spaces.active, scene, shot)
    return [
        Target(
            kind="VIEWPORT",
            title=Sentence("frames {start}-{end} of the viewport", start=shot.start, end=shot.end),
            take_scene=scene.name_full,
            scene=scene.name_full,
            view_layer=context.view_layer.name,
            shot=shot,
            view=area.as_pointer(),
            notes=(cuts.message,) if cuts else (),
            cuts=cuts,
        )
    ]


def _cuts_in_view(space: bpy.types.SpaceView3D, scene: bpy.types.Scene, shot: SceneShot) -> Problem | None:
    """Markers switch the camera only in a view through the scene's camera."""
    through = space.region_3d.view_perspective == "CAMERA" and not space.use_local_camera and scene.camera
    return cuts_within(scene, shot, scene.camera) if through else None


def _strip(context: bpy.types.Context) -> list[Target]:
    scene = sequence_scene(context)
    editor = scene.sequence_editor
    strip = editor and editor.active_strip
    if not strip:
        raise Problem("No strip is active.", "Select a movie, image or scene strip in the sequencer.")
    if strip.type not in ("MOVIE", "IMAGE", "SCENE"):
        raise Problem(
            "The active strip {strip} has no pictures of its own.", "Select a movie, image or scene strip."
        ).about(strip=repr(strip.name))
    start, end = frames_seen(editor, strip)
    if end <= start:
        raise Problem("The strip {strip} has only one frame, so nothing can move.", "Select a longer strip.").about(
            strip=repr(strip.name)
        )
    title = Sentence("frames {start}-{end} of strip {strip}", start=start, end=end, strip=strip.name)
    named = {
        "title": title,
        "take_scene": scene.name_full,
        "shot": shot_between(scene, start, end),
        "strip": strip.name,
        "notes": tuple(ignored_effects(editor, strip)),
    }
    if strip.type == "SCENE" and strip.scene_input == "CAMERA":
        return [_scene_of(scene, strip, named)]
    return [Target(kind="STRIP", scene=scene.name_full, view_layer=scene.view_layers[0].name, **named)]


def _scene_of(scene: bpy.types.Scene, strip: bpy.types.Strip, named: dict) -> Target:
    """Captures a scene strip through its camera like any other scene, so shading and passes are available."""
    shown = strip.scene
    if shown is None:
        raise Problem("The strip {strip} shows no scene.", "Choose its scene in the strip's settings.").about(
            strip=repr(strip.name)
        )
    check_plain(scene, strip)
    camera = strip.scene_camera or camera_at(shown, shown.frame_start)
    if camera is None or camera.type != "CAMERA":
        camera = checked_camera(shown)
    layer = getattr(strip, "view_layer", None) or rendered_layer(shown, None)  # 5.2
    return Target(kind="CAMERA", scene=shown.name_full, view_layer=layer.name, camera=camera.name_full, **named)


def _file(context: bpy.types.Context) -> list[Target]:
    """The file's real duration on the scene's frames, from the scene's first frame on."""
    scene = context.scene
    facts = clip_facts(context)
    fps = frame_rate(scene)
    frames = facts.frames if facts.seconds is None else max(2, round(facts.seconds * fps))
    if frames > MAX_FRAMES:
        raise Problem(
            "{path} has {frames} frames, but a shot has at most {most_frames}.", "Cut the clip into shots."
        ).about(path=facts.path.name, frames=frames, most_frames=MAX_FRAMES)
    start = scene.frame_start
    shot = SceneShot(start=start, end=start + frames - 1, fps=fps, aspect=facts.size[1] / facts.size[0])
    return [
        Target(
            kind="FILE",
            title=facts.path.name,
            take_scene=scene.name_full,
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


def rendered_layer(scene: bpy.types.Scene, chosen: bpy.types.ViewLayer | None) -> bpy.types.ViewLayer:
    """The chosen view layer. If it is not used for rendering, the first one that is, as in Blender's own renders."""
    used = [layer for layer in scene.view_layers if layer.use]
    if not used:
        raise Problem(
            "All view layers of the scene {scene} are disabled for rendering, so Blender renders nothing.",
            "Enable View Layer > Use for Rendering.",
        ).about(scene=repr(scene.name))
    return chosen if chosen in used else used[0]
