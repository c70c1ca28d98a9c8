"""The gradient of a loss with respect to the latents, also for a network that computes in float16."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LOSS_EXPONENT = 12  # the loss is scaled to about 2**12; gradients at the latents are some thousandths of it
EXPONENT_STEP = 4  # how much the exponent is lowered when a scaled gradient overflows
ATTEMPTS = 8


def gradient_at(latents: Tensor, loss: Tensor, precision: torch.dtype) -> Tensor:
    """Returns d loss / d latents: float32, in the shape of `latents`.

    precision: the dtype in which the network computed the loss from the latents.

    The loss is a mean over some hundred thousand entries, and float16 would round their gradients to zero. In float16
    the loss is therefore scaled by a power of two before the backward pass, and the gradient is scaled back, as in
    mixed-precision training (Micikevicius et al., arXiv:1710.03740, section 3.2). A power of two adds no rounding
    error. If the gradient overflows, smaller scales are tried. If it is not finite at the smallest scale, it is
    returned as it is, and the sampler raises the error.
    """
    if precision != torch.float16:
        return torch.autograd.grad(loss, latents)[0]
    value = float(loss.detach())
    exponent = LOSS_EXPONENT - (math.frexp(value)[1] if value > 0 else 0)
    for attempt in range(ATTEMPTS):
        power = exponent - EXPONENT_STEP * attempt
        (scaled,) = torch.autograd.grad(loss * 2.0**power, latents, retain_graph=attempt < ATTEMPTS - 1)
        if torch.isfinite(scaled).all():
            break
    return scaled * 2.0**-power
