"""One job, from its folder to its result: read clip, motion, guided sampling, decode, write."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch

from . import fingerprint
from .checkpoint import Checkpoint
from .clips import in_between, read_clip, to_frames, write_frames, write_video
from .clips.pictures import picture_files
from .conditions import Condition, read_conditions, read_mask
from .errors import JobError, OutOfMemory
from .expected import stages_ahead
from .inverted_reference import inverted_reference
from .models.codec import decode_latents, embed_text
from .models.components import Components, load_components
from .models.controls import load_controls
from .models.denoise import Control
from .models.device import choose_device, give_back_memory, most_memory_held
from .models.entry import ModelEntry, find_entry
from .models.memory import MemoryPolicy, applied, policy_for
from .motion_score import motion_score
from .previews import Previews
from .progress import Progress
from .reference_motion import motion_of
from .take import Motion, Take, generate
from .wire.request import JobRequest, RequestError, read_request
from .wire.results import MOVIE
from .wire.settings import SettingError, Settings
from .wire.version import version
from .wire.writing import write_json

Loader = Callable[[ModelEntry, torch.device, torch.dtype], Components]


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a take is made of. reference: uint8 [F, H, W, 3]; subject: its mask [F, h, w], if any."""

    model: Components
    request: JobRequest
    settings: Settings
    reference: np.ndarray
    conditions: dict[str, Condition]
    controls: tuple[Control, ...]
    subject: torch.Tensor | None

    @property
    def clip(self) -> tuple[int, tuple[int, int]]:
        """Frames, and their size (H, W)."""
        return len(self.reference), self.reference.shape[1:3]


def run_job(folder: Path, progress: Progress, load: Loader = load_components) -> dict[str, Any]:
    """Runs the job in `folder`; returns what result.json holds. JobError and Cancelled leave earlier results whole.

    load: gives the model, which the job leaves as it was. A job that was cut off goes on after its last saved step."""
    request, entry, settings = read_job(folder)
    progress.stage("reading")
    reference = read_reference(folder / "reference", entry, settings, progress.check)
    clip = len(reference), reference.shape[1:3]
    conditions, notes = read_conditions(folder, entry, *clip, progress.check)
    progress.stage("loading")
    model = load(entry, *choose_device(settings.precision))
    mask, more = read_mask(folder, *clip, model.latent_scale, progress.check)
    for note in (notes := [*notes, *more]):
        progress.note(note)
    work = Work(
        model=model,
        request=request,
        settings=settings,
        reference=reference,
        conditions=conditions,
        controls=load_controls(model, conditions, len(reference), settings),
        subject=None if mask is None else torch.from_numpy(mask).to(model.unet.device, torch.float32),
    )
    checkpoint = Checkpoint(folder, progress.note)
    frames, policy, more = _frames_that_fit(work, checkpoint, progress)
    progress.stage("in-betweening")
    shot_frames = in_between(frames, request.shot.frames)
    progress.stage("writing")
    write_frames(folder / "result", frames)
    said = [*request.notes, *notes, *more]
    movie = write_video(folder / MOVIE, shot_frames, request.shot.fps, said.append)
    found = {"motion_score": score_or_none(frames, reference), "memory_policy": policy.name, "video": str(movie)}
    request = replace(request, notes=said)
    result = _write_result(folder, request, settings, model, found, progress)
    checkpoint.remove()
    return result


def _frames_that_fit(
    work: Work, checkpoint: Checkpoint, progress: Progress
) -> tuple[np.ndarray, MemoryPolicy, list[str]]:
    """The take, the memory policy that it was made with, and a note where that is not the one that was begun with: when
    memory runs out, the next thriftier one goes on after the last step that was whole. OutOfMemory when it does again.
    """
    policy = policy_for(work.model, work.settings, *work.clip, len(work.controls))
    try:
        return _frames(work, policy, checkpoint, progress), policy, []
    except OutOfMemory as error:
        if error.thriftier is None:
            raise
        wish = error.thriftier
    give_back_memory()  # not before the error is forgotten, which holds all that the attempt held
    note = f"The device ran out of memory with the setting memory at {policy.name}; the job went on with {wish}."
    progress.note(note)
    policy = policy_for(work.model, replace(work.settings, memory=wish), *work.clip, len(work.controls))
    return _frames(work, policy, checkpoint, progress), policy, [note]


def _frames(work: Work, policy: MemoryPolicy, checkpoint: Checkpoint, progress: Progress) -> np.ndarray:
    """The take, uint8 [F, H, W, 3]. OutOfMemory."""
    request, settings = work.request, work.settings
    progress.plan(stages_ahead(settings, *work.clip, request.shot.frames, policy.recompute != "nothing"))
    with applied(policy, work.model, work.controls) as model:
        progress.stage("encoding")
        texts = {"negative": embed_text(model, request.negative_prompt), "positive": embed_text(model, request.prompt)}
        motion = _motion(replace(work, model=model), progress)
        memory = checkpoint.memory(_key(work, policy), model.unet.device)
        progress.stage("sampling", settings.steps, memory.done)
        form = {"frames": work.clip[0], "size": work.clip[1], "controls": work.controls, "subject": work.subject}
        previews = Previews(model, work.clip[1], progress)

        def after_step() -> None:
            checkpoint.keep(memory)
            progress.step()
            previews(memory)

        take = Take(seed=request.seed, settings=settings, **form, **texts)
        latents = generate(model, take, motion, after_step, memory)
        progress.seconds["previews"] = round(previews.seconds, 3)  # a part of sampling
        progress.stage("decoding", len(work.reference))
        return to_frames(decode_latents(model, latents, progress.step))


def _motion(work: Work, progress: Progress) -> Motion | None:
    """What the take is to follow; None in plain generation."""
    s = work.settings
    if not s.is_guided:
        return None
    progress.stage("motion")
    if s.method == "inversion":
        return inverted_reference(work.model, work.reference, work.subject, work.request, s, progress)
    return motion_of(work.model, work.reference, s)


def _key(work: Work, policy: MemoryPolicy) -> str:
    """Of everything that the take depends on: a checkpoint under another key is another take's."""
    unet = work.model.unet
    pictures = [(kind, c.places, fingerprint.of_frames(c.pictures)) for kind, c in sorted(work.conditions.items())]
    mask = None if work.subject is None else fingerprint.of_frames(work.subject.cpu().numpy())
    return fingerprint.of_text(
        fingerprint.of_frames(work.reference),
        pictures,
        mask,
        asdict(replace(work.request, notes=[])),
        replace(work.settings, memory=policy.name),
        sorted(fingerprint.of_files(work.model.entry.weight_files()).items()),
        (unet.device, unet.dtype, torch.__version__, version()),
    )


def read_job(folder: Path) -> tuple[JobRequest, ModelEntry, Settings]:
    """The checked request with its model entry and full settings."""
    try:
        request = read_request(folder)
        entry = find_entry(request.model)
        return request, entry, entry.settings_for(request.settings)
    except (RequestError, SettingError) as error:
        raise JobError(str(error), "Mend it and run the job again.") from None


def read_reference(
    folder: Path, entry: ModelEntry, settings: Settings, each: Callable[[], None] = lambda: None
) -> np.ndarray:
    """The reference clip uint8 [F, H, W, 3], which must already have the form the model takes. each: called before each
    frame is read."""
    count = len(picture_files(folder)) if folder.is_dir() else 0
    if count > 1 and count != settings.frames:
        raise JobError(
            f"{folder} holds {count} frames; the setting frames is {settings.frames}.",
            "Make the job again with `clone` or the panel, or set frames to that number.",
        )
    frames = read_clip(folder, each=each).frames
    multiple = entry.clip.multiple
    if any(side % multiple for side in frames.shape[1:3]):
        raise JobError(
            f"The frames in {folder} are {frames.shape[2]} x {frames.shape[1]}; sides must be multiples of {multiple}.",
            "Make the job again with `clone` or the panel, which fit the clip to the model.",
        )
    return frames


def score_or_none(frames: np.ndarray, reference: np.ndarray) -> float | None:
    """How well the take follows the reference's motion; None when the reference does not move."""
    try:
        return round(motion_score(frames, reference), 4)
    except JobError:
        return None


def _write_result(
    folder: Path, request: JobRequest, settings: Settings, model: Components, found: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    progress.stage("finishing")  # closes the stage before, so that its seconds count
    result = {
        "request": asdict(request),
        "settings": asdict(settings),
        **found,
        "seconds": dict(progress.seconds),
        "device": str(model.unet.device),
        "precision": str(model.unet.dtype).removeprefix("torch."),
        "memory_bytes": most_memory_held(),
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
