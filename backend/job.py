"""One job, from its folder to its result: read clip, motion, guided sampling, decode, write."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch

from . import fingerprint
from .clips import in_between, read_clip, to_frames, to_pixels, write_frames, write_video
from .conditions import read_conditions, read_mask
from .errors import JobError
from .inverted_reference import inversion_steps, inverted_reference
from .models.codec import decode_latents, embed_text, encode_pixels
from .models.components import Components, load_components
from .models.controls import load_controls
from .models.denoise import Control
from .models.device import choose_device
from .models.entry import ModelEntry, find_entry
from .models.memory import applied, policy_for
from .motion.representation import MotionRepresentation, extract_motion
from .motion_cache import cached_motion
from .motion_score import motion_score
from .progress import Progress
from .take import Take, generate
from .wire.request import JobRequest, RequestError, read_request, write_atomically
from .wire.settings import SettingError, Settings

MOTION_NOISE_SEED = 0  # one noise for every reading, so that takes share a cached representation


Loader = Callable[[ModelEntry, torch.device, torch.dtype], Components]


def run_job(folder: Path, progress: Progress, load: Loader = load_components) -> dict[str, Any]:
    """Runs the job in `folder`; returns what result.json holds. JobError and Cancelled leave earlier results whole.

    load: gives the model, which the job leaves as it was."""
    request, entry, settings = read_job(folder)
    progress.stage("reading")
    reference = read_reference(folder / "reference", entry, settings)
    conditions, notes = read_conditions(folder, entry, len(reference), reference.shape[1:3])
    progress.stage("loading")
    model = load(entry, *choose_device(settings.precision))
    mask, more = read_mask(folder, len(reference), reference.shape[1:3], model.latent_scale)
    for note in (notes := [*notes, *more]):
        progress.note(note)
    request = replace(request, notes=[*request.notes, *notes])
    subject = None if mask is None else torch.from_numpy(mask).to(model.unet.device, torch.float32)
    controls = load_controls(model, conditions, len(reference), settings)
    policy = policy_for(model, settings, len(reference), reference.shape[1:3], len(controls))
    with applied(policy, model, controls) as model:
        frames = _frames(model, request, settings, reference, controls, subject, progress)
    progress.stage("in-betweening")
    shot_frames = in_between(frames, request.shot.frames)
    progress.stage("writing")
    write_frames(folder / "result", frames)
    write_video(folder / "result.mp4", shot_frames, request.shot.fps)
    found = {"motion_score": score_or_none(frames, reference), "memory_policy": policy.name}
    return _write_result(folder, request, settings, model, found, progress)


def _frames(
    model: Components,
    request: JobRequest,
    settings: Settings,
    reference: np.ndarray,
    controls: tuple[Control, ...],
    subject: torch.Tensor | None,
    progress: Progress,
) -> np.ndarray:
    """The take, uint8 [F, H, W, 3], as the reference; subject: its mask [F, h, w], if any."""
    progress.stage("encoding")
    texts = {"negative": embed_text(model, request.negative_prompt), "positive": embed_text(model, request.prompt)}
    motion = None
    if settings.guidance_weight > 0 and settings.guided_steps > 0:
        if settings.method == "inversion":
            progress.stage("motion", inversion_steps(settings))
            motion = inverted_reference(model, reference, subject, request, settings, progress.step)
        else:
            progress.stage("motion")
            motion = motion_of(model, reference, settings)
    progress.stage("sampling", settings.steps)
    form = {"frames": len(reference), "size": reference.shape[1:3]}
    take = Take(seed=request.seed, settings=settings, controls=controls, subject=subject, **form, **texts)
    latents = generate(model, take, motion, progress.step)
    progress.stage("decoding", len(reference))
    return to_frames(decode_latents(model, latents, progress.step))


def read_job(folder: Path) -> tuple[JobRequest, ModelEntry, Settings]:
    """The checked request with its model entry and full settings."""
    try:
        request = read_request(folder)
        entry = find_entry(request.model)
        return request, entry, entry.settings_for(request.settings)
    except (RequestError, SettingError) as error:
        raise JobError(str(error), "Mend it and run the job again.") from None


def read_reference(folder: Path, entry: ModelEntry, settings: Settings) -> np.ndarray:
    """The reference clip uint8 [F, H, W, 3], which must already have the form the model takes."""
    frames = read_clip(folder).frames
    if len(frames) != settings.frames:
        raise JobError(
            f"{folder} holds {len(frames)} frames; the setting frames is {settings.frames}.",
            "Make the job again with `clone` or the panel, or set frames to that number.",
        )
    multiple = entry.clip.multiple
    if any(side % multiple for side in frames.shape[1:3]):
        raise JobError(
            f"The frames in {folder} are {frames.shape[2]} x {frames.shape[1]}; sides must be multiples of {multiple}.",
            "Make the job again with `clone` or the panel, which fit the clip to the model.",
        )
    return frames


def motion_of(model: Components, reference: np.ndarray, settings: Settings) -> MotionRepresentation:
    """The reference's motion representation, from the cache when it was read before."""
    t = settings.representation_timestep
    reading = (t, settings.guidance_blocks, settings.top_k, settings.diagonal, MOTION_NOISE_SEED, str(model.unet.dtype))
    weights = sorted(fingerprint.of_files(model.entry.weight_files()).items())

    def extract():
        latents = encode_pixels(model, to_pixels(reference))
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(MOTION_NOISE_SEED))
        return extract_motion(
            model.unet,
            model.denoise,
            latents,
            noise.to(latents),
            timestep=t,
            alpha=float(model.alphas[t]),
            empty_text=embed_text(model, ""),
            blocks=settings.guidance_blocks,
            top_k=settings.top_k,
            diagonal=settings.diagonal,
        )

    key = fingerprint.of_text(fingerprint.of_frames(reference), weights, reading)
    return cached_motion(key, model.unet.device, extract)


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
        "memory_bytes": _peak_memory(),
        "model_hashes": fingerprint.of_files(model.entry.weight_files()),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
        },
        "video": str(folder / "result.mp4"),
        "frames": str(folder / "result"),
    }
    write_atomically(folder / "result.json", json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return result


def _peak_memory() -> int | None:
    """Most bytes held at once: of the device, else of this process; None where the system does not tell."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024
