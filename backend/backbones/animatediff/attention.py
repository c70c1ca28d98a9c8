"""An attention processor that computes explicit probabilities, which can be recorded and differentiated."""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers.models.attention_processor import Attention


class ExplicitAttention:
    """Scaled dot-product attention (Vaswani et al., arXiv:1706.03762, eq. 1) for any diffusers `Attention`.

    keep: called with the probabilities [batch * positions, heads, queries, keys], float32.

    The softmax is computed in float32. For the short sequences of temporal attention this is also faster on a CPU than
    fused attention, especially in the backward pass.
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
