"""Creates a job folder from a clip and a prompt."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..clips import Clip, examine, fit, read_clip, read_picture, write_frames, write_pictures
from ..controls.conditions import check_model, mask_notes, parse_picture_option
from ..job_folder.clip_length import automatic_frames
from ..job_folder.clip_size import clip_size
from ..job_folder.declared import SettingError, parse_assignment
from ..job_folder.folders import data_folder, new_job_name
from ..job_folder.problem import Problem, Sentence
from ..job_folder.request import JobRequest, Shot, write_request
from ..models.entry import find_entry
from ..models.model_entry import ModelEntry
from ..models.prompt_files import parsed_moments, with_prompt_files

FOLDER_FPS = 24.0  # a folder of frames has no frame rate


def make_job(options: Namespace) -> Path:
    """Creates the job folder for command line options and returns its path.

    Everything that is cheap to check is checked first; then the clip is fitted to the model. Raises Problem if
    something is wrong.
    """
    entry = find_entry(options.model)
    try:
        chosen = dict(parse_assignment(text) for text in options.set)
        if options.method:
            chosen["method"] = options.method
        frames = entry.settings_for(chosen).frames  # invalid settings are reported before the clip is examined
        source = examine(options.clip)
        if entry.combined(chosen).frames is None:
            frames = automatic_frames(source.total, source.fps or FOLDER_FPS, entry.clip.frames, entry.rate)
    except SettingError as error:
        raise Problem(error.text, "`--set` takes key=value; docs/method.md lists the settings.") from None
    conditions, notes = _read_conditions(options, entry, frames)
    clip = read_clip(source, frames)
    height, width = clip.frames.shape[1:3]
    size = clip_size(width / height, entry.clip.area, entry.clip.multiple)
    mask = _read_mask(options.mask, clip, frames) if options.mask else None
    notes = [*clip.notes, *notes, *(mask.notes if mask else ())]
    _check_texts(entry, options.prompt, (options.negative, options.inversion_prompt))
    folder = _new_folder(options.job)
    write_frames(folder / "reference", fit(clip.frames, size))
    for kind, pictures in conditions.items():
        write_pictures(folder / kind, pictures)
    if mask:
        write_frames(folder / "mask", fit(mask.frames, size))
    request = JobRequest(
        prompt=options.prompt,
        negative_prompt=options.negative,
        inversion_prompt=options.inversion_prompt,
        object=options.object,
        model=options.model,
        seed=options.seed,
        settings=chosen,
        shot=Shot(frames=clip.total, fps=clip.fps or FOLDER_FPS),
        notes=notes,
    )
    write_request(request, folder)
    for note in notes:
        print(note, file=sys.stderr)
    return folder


def _check_texts(entry: ModelEntry, prompt: str, others: Sequence[str]) -> None:
    """Raises Problem if a prompt is invalid or too long for the model, or names a missing file."""
    entry = with_prompt_files(entry, prompt, others)
    from ..backbones.loading import check_prompts  # slow to import: errors above are reported at once

    check_prompts(entry, (*(moment.text for moment in parsed_moments(prompt)), *others))


def _read_conditions(
    options: Namespace, entry: ModelEntry, frames: int
) -> tuple[dict[str, dict[int, np.ndarray]], list[str]]:
    """Reads the files of --image, --sketch and --depth; returns uint8 RGB [H, W, 3] by kind and frame, and notes."""
    given = {kind: getattr(options, kind) for kind in ("image", "sketch", "depth") if getattr(options, kind)}
    check_model(entry, given)
    conditions: dict[str, dict[int, np.ndarray]] = {}
    notes: list[str] = []
    if "depth" in given:
        depth = read_clip(given.pop("depth"), frames=frames)
        conditions["depth"] = dict(enumerate(depth.frames))
        notes += depth.notes
    for kind, texts in given.items():
        pictures = conditions[kind] = {}
        for path, frame in (parse_picture_option(text, frames) for text in texts):
            if frame in pictures:
                raise Problem(
                    "Two pictures of --{kind} are for frame {place}.", "Give each its own frame: FILE@FRAME."
                ).about(kind=kind, place=frame)
            pictures[frame], transparent = read_picture(path)
            if transparent:
                notes.append(Sentence("{name} is partly transparent; middle gray was put behind it.", name=path.name))
    return conditions, notes


def _read_mask(path: Path, clip: Clip, frames: int) -> Clip:
    """Reads the mask clip. Raises Problem if it is not as long as the reference clip."""
    mask = read_clip(path, frames=frames)
    if mask.total != clip.total:
        raise Problem(
            "The mask {path} has {count} frames; the reference clip has {expected}.",
            "Give a mask for every frame of the clip.",
        ).about(path=path, count=mask.total, expected=clip.total)
    return replace(mask, notes=(*mask.notes, *mask_notes(mask.frames.shape[1:3], clip.frames.shape[1:3])))


def _new_folder(chosen: Path | None) -> Path:
    folder = chosen or data_folder() / "jobs" / new_job_name()
    if (folder / "job.json").exists():
        raise Problem("{folder} already contains a job.", "Choose another folder, or run that job with `run`.").about(
            folder=folder
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem("The job folder {folder} cannot be created ({reason}).", "Choose another with --job.").about(
            folder=folder, reason=error.strerror
        ) from None
    return folder
