"""The pull towards the reference's motion: its loss, and the gradient of that loss at the current latents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ..backbones.base import AttentionMaps, AttentionRecord, Backbone, Denoise
from ..sampling.schedule import Step
from .gradient import gradient_at
from .location_masks import RegionWeights
from .representation import MotionRepresentation


def motion_loss(
    maps: AttentionMaps,
    reference: MotionRepresentation,
    layer_weights: Mapping[str, float] | None = None,
    regions: RegionWeights | None = None,
) -> Tensor:
    """Squared distance of the current temporal attention to the reference's kept entries: scalar, float32.

    Mean over each layer's entries, summed over layers (arXiv:2406.05338 v4; recorded in v2_*.safetensors), with
    `layer_weights` if given. regions: how much each position counts in each frame.
    """
    total = torch.zeros((), device=next(iter(maps.values())).device)
    for layer, values in reference.values.items():
        current = maps[layer].gather(-1, reference.indices[layer].long())
        errors = (current - values).pow(2)
        if regions is not None:
            errors = errors * regions.for_layer(len(errors))[:, None, :, None]
        total = total + (layer_weights[layer] if layer_weights else 1.0) * errors.mean()
    return total


class MotionGuidance:
    """Guidance as a function of latents and step, ready to be handed to the sampler."""

    def __init__(
        self,
        model: Backbone,
        denoise: Denoise,
        text: Tensor,
        reference: MotionRepresentation,
        layer_weights: Mapping[str, float] | None = None,
        regions: RegionWeights | None = None,
    ):
        """text [1, L, C]: the positive prompt's embedding, with which the current motion is read."""
        self._model, self._denoise, self._text = model, denoise, text
        self._reference, self._layer_weights, self._regions = reference, layer_weights, regions

    def __call__(self, latents: Tensor, step: Step) -> tuple[Tensor, Tensor, float]:
        """-> the prediction with the prompt, d loss / d latents, both [1, C, F, h, w], and the loss."""
        return guided_pass(
            self._model,
            lambda z: self._denoise(z, step.timestep, self._text),
            latents,
            lambda recorded: motion_loss(recorded.maps, self._reference, self._layer_weights, self._regions),
            self._reference.layers,
        )


def guided_pass(
    model: Backbone,
    predict: Callable[[Tensor], Tensor],
    latents: Tensor,
    loss_of: Callable[[AttentionRecord], Tensor],
    layers: Sequence[str],
    keys: Sequence[str] = (),
) -> tuple[Tensor, Tensor, float]:
    """-> what `predict` gives, d loss / d latents, both [1, C, F, h, w], and the loss of what the layers compute in it.

    One pass serves both: it records gradients up to the last recorded layer and goes on without.
    """
    with torch.enable_grad():
        latents = latents.detach().requires_grad_()
        freed = torch.no_grad()
        with model.recording(layers, keys, on_complete=freed.__enter__) as recorded:
            try:
                predicted = predict(latents)
            finally:
                freed.__exit__(None, None, None)
        loss = loss_of(recorded)
        gradient = gradient_at(latents, loss, model.dtype)
    return predicted.detach(), gradient, float(loss.detach())
