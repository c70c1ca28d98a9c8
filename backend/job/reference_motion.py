"""The motion of the reference clip, as the one-step method uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..backbones.base import Backbone
from ..clips import to_pixels
from ..errors import NotFinite
from ..job_folder.settings import Settings
from ..motion.representation import MotionRepresentation, extract_motion
from ..sampling.contexts import Context, contexts_of
from . import fingerprint
from .motion_cache import cached_motion

MOTION_NOISE_SEED = 0  # always the same noise, so that all takes of a clip share the cached representation


@dataclass(frozen=True)
class ContextMotions:
    """The motion representation of each context of a long clip, in main memory. device: the model's."""

    by_context: Mapping[Context, MotionRepresentation]
    device: torch.device

    def part(self, context: Context) -> MotionRepresentation:
        """Returns that of one context, on the device."""
        return self.by_context[context].to(self.device)


def read_one_step(
    model: Backbone,
    reference: np.ndarray,
    settings: Settings,
    begins: Callable[[int], None] = lambda _: None,
    after_context: Callable[[], None] = lambda: None,
) -> MotionRepresentation | ContextMotions:
    """Returns the motion of a reference, uint8 [F, H, W, 3], that a take follows by the one-step method.

    begins: called with the number of contexts if there are several. after_context: as in `read_contexts`.
    """
    contexts = contexts_of(settings, len(reference))
    if not contexts.several:
        return read_motion(model, reference, settings)
    followed = contexts.distinct(range(settings.guided_steps))
    begins(len(followed))
    return read_contexts(model, reference, settings, followed, after_context)


def read_contexts(
    model: Backbone,
    reference: np.ndarray,
    settings: Settings,
    contexts: Sequence[Context],
    after_context: Callable[[], None] = lambda: None,
) -> ContextMotions:
    """Returns the motion representations of these contexts of a reference, uint8 [F, H, W, 3].

    Each is cached alone, so a longer shot reads only what it does not share with a shorter one. after_context: called
    after each; it may raise Cancelled.
    """
    encoded: dict[int, torch.Tensor] = {}

    def encode(context: Context) -> torch.Tensor:
        if missing := [frame for frame in context if frame not in encoded]:
            latents = model.encode(to_pixels(reference[missing])).cpu()
            encoded.update(zip(missing, latents.split(1, 2), strict=True))
        return torch.cat([encoded[frame] for frame in context], 2).to(model.device)

    found = {}
    for context in contexts:
        motion = read_motion(model, reference[list(context)], settings, lambda context=context: encode(context))
        found[context] = motion.to(torch.device("cpu"))
        after_context()
    return ContextMotions(found, model.device)


def read_motion(
    model: Backbone, reference: np.ndarray, settings: Settings, encode: Callable[[], torch.Tensor] | None = None
) -> MotionRepresentation:
    """Returns the motion representation of a reference, uint8 [F, H, W, 3]; from the cache if it was read before.

    encode: returns the latents of the reference; the model encodes it if not given.
    """
    t = settings.representation_timestep
    s = settings
    reading = (t, s.guidance_blocks, s.top_k, s.diagonal, s.clip_skip, MOTION_NOISE_SEED, str(model.dtype))
    weights = sorted(fingerprint.of_files(model.entry.weight_files()).items())

    def extract():
        latents = encode() if encode else model.encode(to_pixels(reference))
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
