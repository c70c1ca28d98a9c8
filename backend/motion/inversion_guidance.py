"""Guidance of the inversion method: primary temporal-attention guidance and location-aware semantic guidance.

MotionClone, arXiv:2406.05338v1 to v3. What the papers leave open is as in the official code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..backbones.base import TEXT, AttentionRecord, Backbone, Denoise
from ..sampling.schedule import Step
from ..sampling.state import SamplerState
from .guidance import guided_pass, motion_loss
from .location_masks import Regions, RegionWeights, centered_regions, layer_grid, object_mask, plain_regions
from .loss_terms import LossTerms
from .representation import record_pass, top_entries
from .semantic import by_frame, semantic_loss


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Embeddings [1, L, C] of the negative prompt, of the prompt, and of the inversion prompt, which describes the
    reference clip."""

    negative: Tensor
    positive: Tensor
    inversion: Tensor


class InversionGuidance:
    """Guidance of the inversion method, as the function of latents and step that the sampler calls.

    It must be called once for each guided step, in order: it also samples a second, unguided trajectory from the same
    noise. The semantic term holds the keys of the take close to the keys of that trajectory.
    """

    def __init__(
        self,
        model: Backbone,
        denoise: Denoise,
        texts: Texts,
        terms: LossTerms,
        inverted_latents: Callable[[int], Tensor],
        denoise_reference: Denoise,
        advance: Callable[[Tensor, Tensor, Tensor, Step], Tensor],
        regions: RegionWeights | None = None,
        state: SamplerState | None = None,
    ):
        """denoise: the model with the take's controls. inverted_latents: returns the inverted latents of the reference
        at a timestep. denoise_reference: the model without controls, which reads their attention.
        advance(latents, negative, positive, step): returns the next latents of plain classifier-free guidance, from the
        predictions for both prompts. regions: where the motion term acts. state: holds the latents of the unguided
        trajectory; pass the state of an interrupted take to continue it.
        """
        self._model, self._denoise, self._texts, self._terms = model, denoise, texts, terms
        self._inverted_latents, self._denoise_reference = inverted_latents, denoise_reference
        self._advance, self._regions = advance, regions
        estimates_masks = terms.located and terms.objects is not None
        self._text_layers = model.layers(TEXT, ()) if estimates_masks else []
        self._state = SamplerState() if state is None else state

    def __call__(self, latents: Tensor, step: Step) -> tuple[Tensor, Tensor, float]:
        """Returns the prediction for the prompt, d loss / d latents, both [1, C, F, h, w], and the loss."""
        terms, t = self._terms, step.timestep
        reference = self._read_reference(t)
        unguided = self._advance_unguided(latents, step) if terms.semantic else AttentionRecord()
        object_regions = self.object_regions = (
            self._object_regions(reference, unguided, tuple(latents.shape[-2:])) if terms.located else None
        )
        motion = top_entries({layer: reference.maps[layer] for layer in terms.motion})

        def loss_of(controlled: AttentionRecord) -> Tensor:
            loss = torch.zeros((), device=latents.device)
            if step.index < terms.motion_steps:
                loss = loss + motion_loss(controlled.maps, motion, terms.motion, self._regions)
            return loss + semantic_loss(unguided.keys, controlled.keys, terms.semantic, terms.key_kind, object_regions)

        return guided_pass(
            self._model,
            lambda z: self._denoise(z, t, self._texts.positive),
            latents,
            loss_of,
            list(terms.motion),
            list(terms.semantic),
        )

    @torch.no_grad()
    def _read_reference(self, timestep: int) -> AttentionRecord:
        """Records the attention of the reference at this timestep."""
        return record_pass(
            self._model,
            lambda: self._denoise_reference(self._inverted_latents(timestep), timestep, self._texts.inversion),
            [*self._terms.motion, *self._text_layers],
        )

    @torch.no_grad()
    def _advance_unguided(self, latents: Tensor, step: Step) -> AttentionRecord:
        """Records the keys of the unguided trajectory at this step, then advances it by one step."""
        z = self._state.get("unguided", latents)
        negative = self._denoise(z, step.timestep, self._texts.negative)
        with self._model.recording(self._text_layers, list(self._terms.semantic)) as recorded:
            positive = self._denoise(z, step.timestep, self._texts.positive)
        self._state["unguided"] = self._advance(z, negative, positive, step)
        return recorded

    def _object_regions(
        self, reference: AttentionRecord, unguided: AttentionRecord, latent_size: tuple[int, int]
    ) -> dict[str, tuple[Regions, Regions]]:
        """Returns for each layer where the unguided and where the controlled trajectory shows the object.

        The controlled trajectory is taken to show it where the reference does. A mask clip gives that exactly.
        Otherwise it is estimated from cross-attention, and a Gaussian at its centroid limits it.
        """
        terms = self._terms
        in_unguided = in_reference = None
        if terms.objects is not None:
            maps = [[one.maps[layer] for layer in self._text_layers] for one in (reference, unguided)]
            grid = layer_grid(maps[0][0].shape[-2], latent_size)
            guessed = [object_mask(m, tokens, cut) for m, tokens, cut in zip(maps, terms.objects, terms.thresholds)]
            in_reference, in_unguided = centered_regions(guessed[0], grid), plain_regions(guessed[1], grid)
        if terms.subject is not None:
            in_reference = plain_regions(terms.subject.flatten(1), latent_size)
        object_regions = {}
        for layer in terms.semantic:
            positions = by_frame(unguided.keys[layer], terms.key_kind).shape[1]
            grid = layer_grid(positions, latent_size)
            object_regions[layer] = ((in_unguided or in_reference).at(grid), in_reference.at(grid))
        return object_regions
