"""What a capture will do, known before anything is rendered."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy

from ...backend.job_folder.clip_size import clip_size
from ...backend.job_folder.names import nearest
from ...backend.job_folder.problem import Problem
from ...backend.job_folder.request import JobRequest
from ..declarations import Operators
from ..demo_scene import PROMPT as EXAMPLE
from ..prompt_words import check_prompts
from ..settings_text import clip_length, parse_settings
from .frame_times import StretchedTime, frame_times, stretched_time
from .pictures import chosen_pictures
from .shading import solid_shading
from .shot import SceneShot
from .simulations import notes_of
from .stage import named
from .subject import chosen_subject
from .targets import Target, targets_of

FLAT = ("PERSP", "ORTHO")  # lens types that every render engine has
STILL_EVEN = 1e-4  # of a frame


@dataclass(frozen=True, kw_only=True)
class CapturePlan:
    """One shot to be captured.

    request: of the first take; others differ in prompt and seed. target: whose motion is captured. size: (H, W) and
    count: frames of the model's clip. contexts: in how many parts it is generated. reference_shading: one of
    properties.SHADINGS. viewport_shading: the 3D view's settings for AS_SEEN, empty for the scene's own. subject: full
    names of the objects in the mask, empty for no mask. depth_folder: where in the job's folder depth goes, "" for
    none. vectors: whether motion vectors are rendered. pictures: files of the first frame by kind.
    """

    request: JobRequest
    target: Target
    count: int
    contexts: int = 1
    size: tuple[int, int]
    reference_shading: str
    viewport_shading: dict[str, Any]
    subject: tuple[str, ...] = ()
    depth_folder: str = ""
    vectors: bool = False
    pictures: dict[str, Path]
    moments: tuple[tuple[int, float], ...] = ()

    @property
    def shot(self) -> SceneShot:
        return self.target.shot

    @property
    def title(self) -> str:
        """What is captured, for a button: "frames 1-48 of Camera"."""
        return self.target.title

    @property
    def times(self) -> list[tuple[int, float]]:
        """(frame, subframe) of each of the model's frames in the captured scene."""
        return list(self.moments) or frame_times(self.shot.start, self.shot.end, self.count)

    @property
    def stretched(self) -> StretchedTime | None:
        """The same times, where one render frame is one step of the clip. None when Blender cannot express them."""
        first, last = (frame + part for frame, part in (self.times[0], self.times[-1]))
        if not (first.is_integer() and last.is_integer() and first < last):
            return None
        even = frame_times(int(first), int(last), self.count)
        if any(abs(a + b - c - d) > STILL_EVEN for (a, b), (c, d) in zip(even, self.times)):
            return None
        render = named(bpy.data.scenes, self.target.scene).render
        return stretched_time(int(first), int(last), self.count, Fraction(render.frame_map_old, render.frame_map_new))

    @property
    def frames_each(self) -> float:
        """How many of the shot's frames one model frame represents."""
        return (self.shot.end - self.shot.start) / max(1, self.count - 1)

    @property
    def steps(self) -> int:
        """How many pictures will be rendered."""
        return self.count * (1 + bool(self.subject) + bool(self.depth_folder or self.vectors))


def plans_of(context: bpy.types.Context, models: list[dict[str, Any]], wait: bool = False) -> list[CapturePlan]:
    """One plan per shot. Problem when the scene's settings do not allow one. Nothing is rendered.

    models: entries from `python -m backend models --json`. wait: whether to wait until the prompt's length is known. Do
    not call it while drawing, because the source FILE opens a file.
    """
    wanted = context.scene.motionclone
    model = model_named(wanted.model, models)
    settings, pictures, targets = settings_of(wanted, model), chosen_pictures(wanted, model), targets_of(context)
    if not wanted.prompt.strip():
        raise Problem("There is no prompt.", "Describe the new clip, for example: {example}").about(example=EXAMPLE)
    check_prompts(prompts_of(wanted), wanted.negative_prompt.strip(), model, wait)
    same = {
        "pictures": pictures,
        "viewport_shading": solid_shading(context),
        "subject": chosen_subject(context) if wanted.use_mask else (),
        "depth_folder": _depth_folder(model) if wanted.use_depth else "",
    }
    return [_plan_of(wanted, target, model, settings, **same) for target in targets]


def _plan_of(
    wanted: bpy.types.PropertyGroup, target: Target, model: dict[str, Any], settings: dict[str, Any], **same: Any
) -> CapturePlan:
    """settings: of the request. same: what all shots share."""
    count, contexts = clip_length(settings, model, target.shot.grid)
    plan = CapturePlan(
        request=request_of(wanted, target, settings),
        target=target,
        count=count,
        contexts=contexts,
        size=clip_size(target.shot.aspect, model["area"], model["multiple"]),
        reference_shading=wanted.reference_shading,
        vectors=wanted.use_vectors,
        **same,
    )
    check_camera(plan)
    _check_passes(plan)
    return plan


def settings_of(wanted: bpy.types.PropertyGroup, model: dict[str, Any]) -> dict[str, Any]:
    """A request's settings, from what the form chooses."""
    chosen: dict[str, Any] = {}
    if wanted.quality != "default":
        chosen["family"] = wanted.quality
        if wanted.quality not in model.get("families", (wanted.quality,)):
            raise Problem(
                "The model {model} has no {quality} settings.",
                "Choose another quality or model.",
                repair=Operators.BALANCED,
            ).about(model=repr(model["name"]), quality=wanted.quality)
    if wanted.strength != 1:
        chosen["motion_strength"] = f"{wanted.strength:g}"
    return chosen | parse_settings(wanted.settings)


def prompts_of(wanted: bpy.types.PropertyGroup) -> list[str]:
    """The prompts of the takes."""
    more = (prompt.text.strip() for prompt in wanted.more_prompts)
    return [text for text in (wanted.prompt.strip(), *more) if text]


def request_of(wanted: bpy.types.PropertyGroup, target: Target, settings: dict[str, Any]) -> JobRequest:
    """The request of the first take."""
    return JobRequest(
        prompt=wanted.prompt.strip(),
        negative_prompt=wanted.negative_prompt.strip(),
        model=wanted.model,
        seed=wanted.seed,
        settings=dict(settings),
        shot=target.shot.grid,
        notes=[*target.notes, *_notes_of(target)],
    )


def _notes_of(target: Target) -> list[str]:
    return notes_of(named(bpy.data.scenes, target.scene)) if target.kind in ("CAMERA", "VIEWPORT") else []


def model_named(name: str, models: list[dict[str, Any]]) -> dict[str, Any]:
    """The entry of that name. Problem when there is none."""
    entries = {entry["name"]: entry for entry in models}
    if name not in entries:
        raise Problem("There is no model {name}{near}", "Models here: {entries}.").about(
            name=repr(name), near=nearest(name, entries), entries=", ".join(entries)
        )
    return entries[name]


def _depth_folder(model: dict[str, Any]) -> str:
    """depth/ guides the model. If the model has no control for depth, it is only stored for later use."""
    return "depth" if "depth_control" in model.get("controls", ()) else "passes/depth"


def check_camera(plan: CapturePlan) -> None:
    """Workbench renders every lens as a flat one. Cycles, which renders the Motion shading, supports them all."""
    if plan.target.kind != "CAMERA" or plan.reference_shading == "MOTION":
        return
    lens = named(bpy.data.objects, plan.target.camera).data
    if lens.type not in FLAT:
        raise Problem(
            "The camera {camera} is panoramic, but this shading renders it with a flat lens.",
            "Choose the shading Motion, or set the camera's lens type to Perspective or Orthographic.",
        ).about(camera=repr(plan.target.camera))


def _check_passes(plan: CapturePlan) -> None:
    names = {"the subject mask": plan.subject, "depth": plan.depth_folder, "motion vectors": plan.vectors}
    asked = [name for name, wanted in names.items() if wanted]
    if asked and plan.target.kind != "CAMERA":
        raise Problem(
            "Only shots of a camera have {asked}, but the reference is {title}.",
            "Choose Reference > Camera, or turn off the passes.",
            repair=Operators.NO_PASSES,
        ).about(asked=" and ".join(asked), title=plan.title)
    if not plan.target.strip:  # the frames that the strip shows are not known yet
        check_vectors(plan)


def check_vectors(plan: CapturePlan) -> None:
    if plan.vectors and plan.stretched is None:
        raise Problem(
            "Blender cannot render motion vectors of {title}, because the shot is too long or its time is not uniform.",
            "Shorten it below 900 frames, reset the strip's retiming and the scene's time stretching, or "
            "turn off Motion Vectors.",
        ).about(title=plan.title)
