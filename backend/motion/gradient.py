"""The gradient of a loss at the latents, also through a UNet in half precision."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SCALED_LOSS = 12  # the scaled loss is about 2 to this power; gradients at the latents are some thousandths of it
SMALLER_BY = 4  # further powers of two when that was too much
ATTEMPTS = 8


def gradient_at(latents: Tensor, loss: Tensor, precision: torch.dtype) -> Tensor:
    """d loss / d latents, float32 like both; `precision` is the one that the pass between them was computed in.

    The loss is a mean over some hundred thousand entries, whose single gradients float16 would round to zero. So it is
    multiplied by a power of two, which the result is divided by: that rounds nothing. A gradient that is not finite
    even at the smallest scale is returned as it is; the sampler stops at it.
    """
    if precision != torch.float16:
        return torch.autograd.grad(loss, latents)[0]
    exponent = SCALED_LOSS - math.frexp(float(loss.detach()))[1] if float(loss.detach()) > 0 else SCALED_LOSS
    for attempt in range(ATTEMPTS):
        power = exponent - SMALLER_BY * attempt
        (scaled,) = torch.autograd.grad(loss * 2.0**power, latents, retain_graph=attempt < ATTEMPTS - 1)
        if torch.isfinite(scaled).all():
            break
    return scaled * 2.0**-power
