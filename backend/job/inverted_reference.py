"""The reference clip as the inversion method uses it: inverted latents, inversion prompt and loss terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..backbones.base import TEMPORAL, Backbone
from ..clips import to_pixels
from ..job_folder.problem import Problem
from ..job_folder.request import JobRequest
from ..job_folder.settings import Settings
from ..models.prompt_files import parsed_moments
from ..motion.inversion import check_timesteps, invert
from ..motion.loss_terms import LossTerms, layer_weights
from ..sampling.averaging import InContexts
from ..sampling.contexts import Context, Contexts, contexts_of
from ..sampling.schedule import even_timesteps
from ..sampling.state import SamplerState
from . import fingerprint
from .inversion_cache import Keep, cached_inversion
from .progress import Progress
from .reference_motion import check_finite


class LatentsAt(Protocol):
    def __call__(self, timestep: int, frames: Context | None = None) -> Tensor: ...


@dataclass(frozen=True, kw_only=True)
class InvertedReference:
    """A reference clip that is read by inversion.

    text: the embedding [1, L, C] of the inversion prompt. latents_at: returns the inverted latents [1, C, F, h, w] at a
    timestep, of all frames or of a context.
    """

    text: Tensor
    terms: LossTerms
    latents_at: LatentsAt

    def part(self, context: Context) -> InvertedReference:
        """Returns the reference of one context."""
        subject, latents_at = self.terms.subject, self.latents_at
        terms = self.terms if subject is None else replace(self.terms, subject=subject[list(context)])
        return replace(self, terms=terms, latents_at=lambda timestep, _=None: latents_at(timestep, context))


def inversion_steps(settings: Settings) -> int:
    """Returns the number of inversion steps."""
    return settings.inversion_steps or settings.steps


def inverted_reference(
    model: Backbone,
    reference: np.ndarray,
    subject: Tensor | None,
    request: JobRequest,
    settings: Settings,
    progress: Progress,
) -> InvertedReference:
    """Inverts the reference clip, or takes the inversion from the cache.

    reference: uint8 [F, H, W, 3]. subject: its mask [F, h, w] or None. progress: must be in the stage "motion"; each
    inversion step is reported to it.
    Raises Problem if the settings do not fit each other, or if the object is not in the prompts.
    """
    steps = inversion_steps(settings)
    wanted = even_timesteps(settings.steps, model.schedule.train_timesteps)[: settings.guided_steps]
    check_timesteps(wanted, steps)
    terms = _terms(model, subject, request, settings)
    (text,) = model.embed([request.inversion_prompt], settings.clip_skip)

    contexts = contexts_of(settings, len(reference))
    spread = InContexts(contexts, model.device, progress.check)

    def run(keep: Keep, state: SamplerState, record: Callable[[], None]) -> None:
        def after_step() -> None:
            check_finite([state["latents"]])
            record()
            progress.step()

        for name in state if contexts.several else ():  # as in an inversion that was not interrupted
            state[name] = state[name].cpu()
        latents = _encoded(model, reference, contexts)
        progress.stage("motion", steps, state.done)
        denoise = spread.denoise(model.denoiser(), lambda: state.done) if contexts.several else model.denoiser()
        invert(denoise, latents, text, model.schedule, steps, keep, after_step, state)

    weights = sorted(fingerprint.of_files(model.entry.weight_files()).items())
    reading: tuple[Any, ...] = (steps, wanted, request.inversion_prompt, settings.clip_skip, str(model.dtype))
    if contexts.several:
        reading = *reading, contexts
    key = fingerprint.of_text(fingerprint.of_frames(reference), weights, reading)
    return InvertedReference(text=text, terms=terms, latents_at=cached_inversion(key, model.device, wanted, run))


def _encoded(model: Backbone, reference: np.ndarray, contexts: Contexts) -> Tensor:
    """Returns the latents of the reference; with several contexts encoded in pieces, and in main memory."""
    if not contexts.several:
        return model.encode(to_pixels(reference))
    pieces = range(0, len(reference), contexts.length)
    return torch.cat([model.encode(to_pixels(reference[k : k + contexts.length])).cpu() for k in pieces], 2)


def _terms(model: Backbone, subject: Tensor | None, request: JobRequest, settings: Settings) -> LossTerms:
    s = settings
    return LossTerms(
        motion=layer_weights(model, s.guidance_blocks, s.block_weights or [1.0] * len(s.guidance_blocks), TEMPORAL),
        semantic=layer_weights(model, s.semantic_blocks, s.semantic_weights, s.semantic_keys),
        key_kind=s.semantic_keys,
        objects=_object_tokens(model, request) if request.object else None,
        thresholds=(s.mask_thresholds[0], s.mask_thresholds[1]),
        motion_steps=s.guided_steps - s.cool_down_steps + 1,
        subject=None if subject is None or bool((subject == 1).all()) else subject,  # a white mask locates nothing
    )


def _object_tokens(model: Backbone, request: JobRequest) -> tuple[list[int], list[int]]:
    """Returns the token indices of the object 'old:new': old in the inversion prompt, new in the prompt."""
    old, colon, new = (part.strip() for part in request.object.partition(":"))
    if not (colon and old and new):
        raise Problem(
            "The object is {object}; it must be two words with a colon between them.",
            "Write for example astronaut:hunter, starting with what the reference shows.",
        ).about(object=repr(request.object))
    if len(parsed_moments(request.prompt)) > 1:
        raise Problem("The object needs a single prompt, and there are prompts along time.", "Remove one of them.")
    return (
        model.token_indices(request.inversion_prompt, old, "inversion prompt"),
        model.token_indices(request.prompt, new, "prompt"),
    )
