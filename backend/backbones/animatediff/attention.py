"""An attention processor that computes the probabilities in the open, so that they can be kept and differentiated."""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers.models.attention_processor import Attention


class ExplicitAttention:
    """Softmax attention by two matrix products, in float32 where it matters, for any diffusers `Attention`.

    keep: called with the probabilities `[batch * positions, heads, queries, keys]`, float32. On a CPU this form is also
    faster than fused attention for the short sequences of temporal attention, above all backwards.
    """

    def __init__(self, keep: Callable[[torch.Tensor], None] | None = None):
        self.keep = keep

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
    ) -> torch.Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            linear(states).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for linear, states in ((attn.to_q, hidden_states), (attn.to_k, context), (attn.to_v, context))
        )
        scores = (query * attn.scale) @ key.transpose(-1, -2)
        if attention_mask is not None:
            scores = scores + attention_mask
        probabilities = scores.float().softmax(-1)
        if self.keep is not None:
            self.keep(probabilities)
        out = (probabilities.to(value.dtype) @ value).transpose(1, 2).flatten(2)
        return attn.to_out[1](attn.to_out[0](out))
