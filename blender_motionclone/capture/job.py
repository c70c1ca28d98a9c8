"""One shot of the scene as a job folder, ready for the backend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

from ...backend.wire.names import nearest
from ...backend.wire.request import JobRequest, write_request
from ..errors import UserError
from ..settings_text import frame_count, parse_settings
from .camera_clip import render_reference
from .job_folder import new_job_folder, write_place
from .shot import SceneShot, shot_of


def request_of(scene: bpy.types.Scene) -> tuple[JobRequest, SceneShot]:
    """The scene's take and shot, or the UserError that keeps them from being one. Cheap: nothing is rendered."""
    take = scene.motionclone
    if not take.prompt.strip():
        raise UserError("There is no prompt.", "Write what the new clip shall show, for example: a red ball on grass")
    shot = shot_of(scene)
    request = JobRequest(
        prompt=take.prompt.strip(),
        negative_prompt=take.negative_prompt.strip(),
        model=take.model,
        seed=take.seed,
        settings=parse_settings(take.settings),
        shot=shot.grid,
    )
    return request, shot


def model_named(name: str, models: list[dict[str, Any]]) -> dict[str, Any]:
    """The entry of that name."""
    entries = {entry["name"]: entry for entry in models}
    if name not in entries:
        raise UserError(f"There is no model {name!r}{nearest(name, entries)}", f"Models here: {', '.join(entries)}.")
    return entries[name]


def capture_job(
    scene: bpy.types.Scene,
    request: JobRequest,
    shot: SceneShot,
    model: dict[str, Any],
    jobs: Path,
    on_frame: Callable[[int, int], None],
) -> Path:
    """Renders the reference and writes the job; returns its folder. Nothing is left behind when it fails."""
    count = frame_count(request.settings, model)
    with new_job_folder(jobs) as folder:
        write_place(folder, scene.name, shot.start, scene.camera.name)
        render_reference(scene, shot, model, count, folder / "reference", on_frame)
        write_request(request, folder)
    return folder
