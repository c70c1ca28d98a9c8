"""The motion of the reference clip, as the one-step method uses it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from ..backbones.base import Backbone
from ..clips import to_pixels
from ..errors import NotFinite
from ..job_folder.settings import Settings
from ..motion.representation import MotionRepresentation, extract_motion
from . import fingerprint
from .motion_cache import cached_motion

MOTION_NOISE_SEED = 0  # always the same noise, so that all takes of a clip share the cached representation


def read_motion(model: Backbone, reference: np.ndarray, settings: Settings) -> MotionRepresentation:
    """Returns the motion representation of a reference, uint8 [F, H, W, 3]; from the cache if it was read before."""
    t = settings.representation_timestep
    s = settings
    reading = (t, s.guidance_blocks, s.top_k, s.diagonal, s.clip_skip, MOTION_NOISE_SEED, str(model.dtype))
    weights = sorted(fingerprint.of_files(model.entry.weight_files()).items())

    def extract():
        latents = model.encode(to_pixels(reference))
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(MOTION_NOISE_SEED))
        motion = extract_motion(
            model,
            model.denoiser(),
            latents,
            noise.to(latents),
            timestep=t,
            empty_text=model.embed([""], settings.clip_skip)[0],
            blocks=settings.guidance_blocks,
            top_k=settings.top_k,
            diagonal=settings.diagonal,
        )
        check_finite(motion.values.values())
        return motion

    key = fingerprint.of_text(fingerprint.of_frames(reference), weights, reading)
    return cached_motion(key, model.device, extract)


def check_finite(numbers: Iterable[torch.Tensor]) -> None:
    """Raises NotFinite if tensors read from the reference are not finite; they must not get into the cache."""
    if not all(bool(torch.isfinite(tensor).all()) for tensor in numbers):
        raise NotFinite(
            "Reading the motion of the reference clip produced invalid numbers (NaN).", "Set precision to float32."
        )
