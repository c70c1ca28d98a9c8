"""Guidance of the inversion method: primary temporal-attention guidance and location-aware semantic guidance."""

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
    """Embeddings [1, L, C]. inversion: of the prompt that describes the reference clip."""

    negative: Tensor
    positive: Tensor
    inversion: Tensor


class InversionGuidance:
    """Guidance as a function of latents and step; called once for each guided step, in order.

    It follows a second, unguided trajectory from the same noise, whose keys tell how the take should look.
    """

    def __init__(
        self,
        model: Backbone,
        denoise: Denoise,
        texts: Texts,
        terms: LossTerms,
        inverted: Callable[[int], Tensor],
        read: Denoise,
        advance: Callable[[Tensor, Tensor, Tensor, Step], Tensor],
        regions: RegionWeights | None = None,
        state: SamplerState | None = None,
    ):
        """inverted(timestep): the reference's inverted latents; read: the prediction without any controls, with
        which they are read; advance(z, eps_negative, eps_positive, step): the latents after a plain step; state: of
        the steps that are done already, kept up to date."""
        self._model, self._denoise, self._texts, self._terms = model, denoise, texts, terms
        self._inverted, self._read, self._advance, self._regions = inverted, read, advance, regions
        guesses = terms.located and terms.objects is not None
        self._cross = model.layers(TEXT, ()) if guesses else []
        self._state = SamplerState() if state is None else state

    def __call__(self, latents: Tensor, step: Step) -> tuple[Tensor, Tensor, float]:
        """-> the prediction with the prompt, d loss / d latents, both [1, C, F, h, w], and the loss."""
        terms, t = self._terms, step.timestep
        reference = self._read_reference(t)
        unguided = self._follow_unguided(latents, step) if terms.semantic else AttentionRecord()
        areas = self.areas = self._areas(reference, unguided, tuple(latents.shape[-2:])) if terms.located else None
        motion = top_entries({layer: reference.maps[layer] for layer in terms.motion})

        def loss_of(controlled: AttentionRecord) -> Tensor:
            loss = torch.zeros((), device=latents.device)
            if step.index < terms.motion_steps:
                loss = loss + motion_loss(controlled.maps, motion, terms.motion, self._regions)
            return loss + semantic_loss(unguided.keys, controlled.keys, terms.semantic, terms.key_kind, areas)

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
        """The reference's attention at this noise level."""
        return record_pass(
            self._model,
            lambda: self._read(self._inverted(timestep), timestep, self._texts.inversion),
            [*self._terms.motion, *self._cross],
        )

    @torch.no_grad()
    def _follow_unguided(self, latents: Tensor, step: Step) -> AttentionRecord:
        """Keys of the unguided trajectory at this step, which then goes on."""
        z = self._state.get("unguided", latents)
        negative = self._denoise(z, step.timestep, self._texts.negative)
        with self._model.recording(self._cross, list(self._terms.semantic)) as recorded:
            positive = self._denoise(z, step.timestep, self._texts.positive)
        self._state["unguided"] = self._advance(z, negative, positive, step)
        return recorded

    def _areas(
        self, reference: AttentionRecord, unguided: AttentionRecord, latent_size: tuple[int, int]
    ) -> dict[str, tuple[Regions, Regions]]:
        """Per layer where the unguided and where the controlled trajectory shows the object.

        A mask clip tells it of the reference, exactly; otherwise it is guessed, and a bell at its centre tempers that.
        """
        terms = self._terms
        in_unguided = in_reference = None
        if terms.objects is not None:
            maps = [[one.maps[layer] for layer in self._cross] for one in (reference, unguided)]
            grid = layer_grid(maps[0][0].shape[-2], latent_size)
            guessed = [object_mask(m, tokens, cut) for m, tokens, cut in zip(maps, terms.objects, terms.thresholds)]
            in_reference, in_unguided = centered_regions(guessed[0], grid), plain_regions(guessed[1], grid)
        if terms.subject is not None:
            in_reference = plain_regions(terms.subject.flatten(1), latent_size)
        areas = {}
        for layer in terms.semantic:
            positions = by_frame(unguided.keys[layer], terms.key_kind).shape[1]
            grid = layer_grid(positions, latent_size)
            areas[layer] = ((in_unguided or in_reference).at(grid), in_reference.at(grid))
        return areas
