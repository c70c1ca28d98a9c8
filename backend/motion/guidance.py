"""Motion guidance: the motion loss and its gradient at the current latents."""

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
    """Returns the squared distance between the current temporal attention and the reference's: a scalar, float32.

    MotionClone, arXiv:2406.05338v4, section "Motion Guidance". Only the entries that `reference` keeps count. As in the
    official code (tests/reference/v2_*.safetensors), it is a mean over the entries of a layer and a sum over layers.

    maps: temporal attention [h'*w', heads, F, F] of each layer, float32. layer_weights: a factor for each layer; 1 for
    all if not given. regions: a weight for each position and frame.
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
    """Motion guidance of the one-step method, as the function of latents and step that the sampler calls."""

    def __init__(
        self,
        model: Backbone,
        denoise: Denoise,
        text: Tensor,
        reference: MotionRepresentation,
        layer_weights: Mapping[str, float] | None = None,
        regions: RegionWeights | None = None,
    ):
        """text: the embedding [1, L, C] of the positive prompt. The rest is as in `motion_loss`."""
        self._model, self._denoise, self._text = model, denoise, text
        self._reference, self._layer_weights, self._regions = reference, layer_weights, regions

    def __call__(self, latents: Tensor, step: Step) -> tuple[Tensor, Tensor, float]:
        """Returns the prediction for the prompt, d loss / d latents, both [1, C, F, h, w], and the loss."""
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
    """Runs `predict` once; returns its prediction, d loss / d latents, both [1, C, F, h, w], and the loss.

    loss_of: computes the loss from the recorded attention maps of `layers` and the recorded keys of `keys`.

    One forward pass gives the prediction and the loss. Autograd is on until the last layer is recorded and off for the
    rest, which saves the memory and the time of the remaining layers.
    """
    with torch.enable_grad():
        latents = latents.detach().requires_grad_()
        without_grad = torch.no_grad()
        with model.recording(layers, keys, on_complete=without_grad.__enter__) as recorded:
            try:
                predicted = predict(latents)
            finally:
                without_grad.__exit__(None, None, None)
        loss = loss_of(recorded)
        gradient = gradient_at(latents, loss, model.dtype)
    return predicted.detach(), gradient, float(loss.detach())
