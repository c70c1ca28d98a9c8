"""What a capture will do, known before anything is rendered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy

from ...backend.wire.clip_size import clip_size
from ...backend.wire.names import nearest
from ...backend.wire.request import JobRequest
from ..errors import UserError
from ..settings_text import frame_count, parse_settings
from .frame_times import frame_times
from .looks import solid_shading
from .shot import SceneShot, camera_shots


@dataclass(frozen=True, kw_only=True)
class CapturePlan:
    """One shot to be captured.

    request: of the first take; others differ in prompt and seed. source: of properties.SOURCES. scene, camera: the full
    names of the scene whose shot it is and of what shows it. size: (H, W) and count: frames of the model's clip.
    shading: of the look AS_SEEN, where that is not the scene's own.
    """

    request: JobRequest
    source: str
    scene: str
    view_layer: str
    shot: SceneShot
    count: int
    size: tuple[int, int]
    look: str
    shading: dict[str, Any]
    camera: str = ""

    @property
    def times(self) -> list[tuple[int, float]]:
        """(frame, subframe) of each of the model's frames, evenly over the shot with both its ends."""
        return frame_times(self.shot.start, self.shot.end, self.count)

    @property
    def pictures(self) -> int:
        """How many pictures will be rendered."""
        return self.count

    @property
    def title(self) -> str:
        """What it captures, for a button: "frames 1-48 of Camera"."""
        return f"frames {self.shot.start}-{self.shot.end} of {self.camera or self.scene}"


def plans_of(context: bpy.types.Context, models: list[dict[str, Any]]) -> list[CapturePlan]:
    """One plan a shot, or the UserError that keeps the scene's settings from being one. Cheap: nothing is rendered.

    models: the entries as `python -m backend models --json` gives them.
    """
    scene, wanted = context.scene, context.scene.motionclone
    model = model_named(wanted.model, models)
    plans = []
    for shot, camera, notes in camera_shots(scene, wanted.shots):
        request = request_of(scene, shot, notes)
        plans.append(
            CapturePlan(
                request=request,
                source=wanted.source,
                scene=scene.name_full,
                view_layer=context.view_layer.name,
                shot=shot,
                count=frame_count(request.settings, model),
                size=clip_size(shot.aspect, model["area"], model["multiple"]),
                look=wanted.look,
                shading=solid_shading(context),
                camera=camera.name_full,
            )
        )
    return plans


def request_of(scene: bpy.types.Scene, shot: SceneShot, notes: list[str]) -> JobRequest:
    """The first take that the scene's settings ask for."""
    wanted = scene.motionclone
    if not wanted.prompt.strip():
        raise UserError("There is no prompt.", "Write what the new clip shall show, for example: a red ball on grass")
    settings: dict[str, Any] = {} if wanted.preset == "default" else {"family": wanted.preset}
    if wanted.strength != 1:
        settings["motion_strength"] = f"{wanted.strength:g}"
    return JobRequest(
        prompt=wanted.prompt.strip(),
        negative_prompt=wanted.negative_prompt.strip(),
        model=wanted.model,
        seed=wanted.seed,
        settings=settings | parse_settings(wanted.settings),
        shot=shot.grid,
        notes=notes,
    )


def model_named(name: str, models: list[dict[str, Any]]) -> dict[str, Any]:
    """The entry of that name."""
    entries = {entry["name"]: entry for entry in models}
    if name not in entries:
        raise UserError(f"There is no model {name!r}{nearest(name, entries)}", f"Models here: {', '.join(entries)}.")
    return entries[name]
