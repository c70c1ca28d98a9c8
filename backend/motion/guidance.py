"""The pull towards the reference's motion: its loss, and the gradient of that loss at the current latents."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..sampling.schedule import Step
from .gradient import gradient_at
from .recorder import AttentionMaps, recording
from .representation import Denoise, MotionRepresentation


def motion_loss(maps: AttentionMaps, reference: MotionRepresentation) -> Tensor:
    """Squared distance of the current temporal attention to the reference's kept entries: scalar, float32.

    Mean over each layer's entries, summed over layers (arXiv:2406.05338 v4; recorded in v2_*.safetensors).
    """
    total = torch.zeros((), device=next(iter(maps.values())).device)
    for layer, values in reference.values.items():
        current = maps[layer].gather(-1, reference.indices[layer].long())
        total = total + (current - values).pow(2).mean()
    return total


class MotionGuidance:
    """Guidance as a function of latents and step, ready to be handed to the sampler."""

    def __init__(self, unet: nn.Module, denoise: Denoise, text: Tensor, reference: MotionRepresentation):
        """text [1, L, C]: the positive prompt's embedding, with which the current motion is read."""
        self._unet, self._denoise, self._text, self._reference = unet, denoise, text, reference

    def __call__(self, latents: Tensor, step: Step) -> tuple[Tensor, Tensor, float]:
        """-> the conditional noise prediction, d loss / d latents, both [1, 4, F, h, w], and the loss.

        One pass serves both: it records gradients up to the last recorded attention and goes on without.
        """
        with torch.enable_grad():
            latents = latents.detach().requires_grad_()
            freed = torch.no_grad()
            with recording(self._unet, self._reference.layers, when_complete=freed.__enter__) as maps:
                try:
                    predicted = self._denoise(latents, step.timestep, self._text)
                finally:
                    freed.__exit__(None, None, None)
            loss = motion_loss(maps, self._reference)
            gradient = gradient_at(latents, loss, self._unet.dtype)
        return predicted.detach(), gradient, float(loss.detach())
