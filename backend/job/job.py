"""Runs a job: reads the clip and its motion, samples with guidance, decodes, and writes the result."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from torch import Tensor

from ..backbones.base import Backbone
from ..clips import in_between, read_clip, write_frames, write_video
from ..clips.motion_score import motion_score
from ..clips.pictures import picture_files
from ..controls.conditions import read_conditions, read_mask
from ..job_folder.clip_length import MAX_FRAMES
from ..job_folder.declared import SettingError
from ..job_folder.problem import Problem, templates_of
from ..job_folder.request import JobRequest, RequestError, read_request
from ..job_folder.results import MOVIE
from ..job_folder.settings import Settings
from ..job_folder.writing import write_json
from ..memory.device import choose_device, deterministic_mode, limit_to_device_memory, peak_memory_bytes
from ..models.entry import find_entry
from ..models.model_entry import ModelEntry
from ..models.prompt_files import notes_on, with_prompt_files
from . import fingerprint
from .attempts import TakeInputs, generate_frames
from .checkpoint import Checkpoint
from .model_cache import ModelCache
from .progress import Progress

Loader = Callable[[ModelEntry, torch.device, torch.dtype], Backbone]


def run_job(folder: Path, progress: Progress, load: Loader | None = None) -> dict[str, Any]:
    """Runs the job in `folder` and returns the content of result.json.

    load: returns the model; the job restores it. An interrupted job continues after its last saved step.
    Raises Problem or Cancelled; earlier results then stay as they are.
    """
    request, entry, settings = read_job(folder)
    notes = Notes(progress)
    progress.stage("reading")
    reference = read_reference(folder / "reference", entry, settings, progress.check)
    conditions, condition_notes = read_conditions(folder, entry, len(reference), reference.shape[1:3], progress.check)
    for note in (*condition_notes, *notes_on(request.prompt, request.negative_prompt)):
        notes(note)
    load, checkpoint = load or ModelCache().load, Checkpoint(folder, notes)

    def load_inputs(precision: str) -> TakeInputs:
        progress.stage("loading")
        model = load(entry, *choose_device(precision))
        controls = model.load_controls(conditions, len(reference), settings, notes)
        for note in model.notes:
            notes(note)
        return TakeInputs(
            model=model,
            request=request,
            settings=settings,
            reference=reference,
            conditions=conditions,
            controls=controls,
            subject=_read_subject(folder, reference, model, notes, progress.check),
        )

    limit_to_device_memory()
    with deterministic_mode(settings.deterministic):
        made = generate_frames(load_inputs, settings, checkpoint, progress, notes)
    progress.stage("in-betweening")
    shot_frames = in_between(made.frames, request.shot.frames)
    progress.stage("writing")
    write_frames(folder / "result", made.frames)
    movie = write_video(folder / MOVIE, shot_frames, request.shot.fps, notes, progress.check)
    request = replace(request, notes=[*request.notes, *notes.all])
    found = {
        "notes": request.notes,
        "templates": templates_of(request.notes),
        "motion_score": score_or_none(made.frames, reference),
        "memory_policy": made.policy.name,
        "video": str(movie),
    }
    result = _write_result(folder, request, settings, made.model, found, progress)
    checkpoint.remove()
    return result


class Notes:
    """Sentences for the user. Each is reported once, immediately, and kept for result.json."""

    def __init__(self, progress: Progress):
        self._progress, self.all = progress, list[str]()

    def __call__(self, note: str) -> None:
        if note not in self.all:
            self.all.append(note)
            self._progress.note(note)


def _read_subject(
    folder: Path, reference: np.ndarray, model: Backbone, note: Callable[[str], None], check: Callable[[], None]
) -> Tensor | None:
    """Reads the mask of the reference's subject to the model's device; None if there is none."""
    mask, mask_notes = read_mask(folder, len(reference), reference.shape[1:3], model.latent_scale, check)
    for sentence in mask_notes:
        note(sentence)
    return None if mask is None else torch.from_numpy(mask).float().to(model.device)


def read_job(folder: Path) -> tuple[JobRequest, ModelEntry, Settings]:
    """Reads a job; returns its request, its model entry and its complete settings. Raises Problem if one is wrong."""
    try:
        request = read_request(folder)
        entry = find_entry(request.model)
        entry = with_prompt_files(entry, request.prompt, (request.negative_prompt, request.inversion_prompt))
        return request, entry, entry.settings_for(request.settings, _frames_in(folder / "reference"))
    except (RequestError, SettingError) as error:
        raise Problem(error.text, "Fix the setting, then run the job again.") from None


def _frames_in(folder: Path) -> int | None:
    """Returns the number of frames of a reference, for frames=auto; None for a single file or none."""
    count = len(picture_files(folder)) if folder.is_dir() else 0
    return min(count, MAX_FRAMES) if count > 1 else None


def read_reference(
    folder: Path, entry: ModelEntry, settings: Settings, check: Callable[[], None] = lambda: None
) -> np.ndarray:
    """Reads the reference clip, uint8 [F, H, W, 3].

    check: called before each frame is read. Raises Problem if the clip does not have the number of frames in the
    settings, or a size that the model supports.
    """
    count = len(picture_files(folder)) if folder.is_dir() else 0
    if count > 1 and count != settings.frames:
        raise Problem(
            "{folder} contains {count} frames; the setting frames is {frames}.",
            "Create the job again with `clone` or the panel, or set frames to that number.",
        ).about(folder=folder, count=count, frames=settings.frames)
    frames = read_clip(folder, check=check).frames
    multiple = entry.clip.multiple
    if any(side % multiple for side in frames.shape[1:3]):
        raise Problem(
            "The frames in {folder} are {width} x {height}; sides must be multiples of {multiple}.",
            "Create the job again with `clone` or the panel, which fit the clip to the model.",
        ).about(folder=folder, width=frames.shape[2], height=frames.shape[1], multiple=multiple)
    return frames


def score_or_none(frames: np.ndarray, reference: np.ndarray) -> float | None:
    """Returns the motion score of a take, None if the reference does not move."""
    try:
        return round(motion_score(frames, reference), 4)
    except Problem:
        return None


def _write_result(
    folder: Path, request: JobRequest, settings: Settings, model: Backbone, found: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    progress.stage("finishing")  # ends the previous stage, so that its seconds are known
    result = {
        "request": asdict(request),
        "settings": asdict(settings),
        **found,
        "seconds": dict(progress.seconds),
        "device": str(model.device),
        "precision": str(model.dtype).removeprefix("torch."),
        "memory_bytes": peak_memory_bytes(),
        "model_hashes": fingerprint.of_files(model.entry.weight_files()),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
        },
        "frames": str(folder / "result"),
    }
    write_json(folder / "result.json", result)
    return result
