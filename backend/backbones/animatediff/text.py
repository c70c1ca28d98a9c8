"""Prompts to what the UNet reads of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from ...errors import JobError
from ...memory.device import on_device
from .tokens import TokenPart, token_parts

NO_MEAN = 1e-3  # a mean below this share of the mean size says nothing, and weights cannot be normalized by it


class TextModel(Protocol):
    """What is looked at of a loaded model. device: where its text encoder works."""

    @property
    def tokenizer(self) -> CLIPTokenizer: ...

    @property
    def text_encoder(self) -> CLIPTextModel: ...

    @property
    def embeddings(self) -> Mapping[str, Tensor]: ...

    @property
    def device(self) -> torch.device: ...


@torch.no_grad()
def embed_texts(model: TextModel, texts: Sequence[str], clip_skip: int = 1) -> list[Tensor]:
    """-> [1, L, C] of each, all of one length: empty parts are added where another text has more.

    clip_skip: 1 reads the last layer of the encoder, 2 the one before, and so on. JobError when a part has more tokens
    than the encoder reads, or the encoder fewer layers.
    """
    if clip_skip > (layers := model.text_encoder.config.num_hidden_layers):
        raise JobError(
            f"The setting clip_skip is {clip_skip}; the model's text encoder has {layers} layers.", "Lower it."
        )
    each = [token_parts(model.tokenizer, text, model.embeddings) for text in texts]
    most = max(map(len, each))
    (empty,) = token_parts(model.tokenizer, "", {})
    with on_device(model.device, model.text_encoder) as encoder:
        return [
            torch.cat([_embedded(encoder, part, clip_skip) for part in _filled(parts, empty, most)], 1)
            for parts in each
        ]


def _filled(parts: list[TokenPart], empty: TokenPart, most: int) -> list[TokenPart]:
    return parts + [empty] * (most - len(parts))


def _embedded(encoder: CLIPTextModel, part: TokenPart, clip_skip: int) -> Tensor:
    ids = torch.tensor([part.ids], device=encoder.device)
    with _vectors_in_place(encoder.embeddings.token_embedding, part.vectors):
        if clip_skip == 1:
            states = encoder(ids)[0]
        else:
            states = encoder(ids, output_hidden_states=True).hidden_states[-clip_skip]
            states = encoder.final_layer_norm(states)
    return states if set(part.weights) == {1.0} else weighted(states, part.weights)


def weighted(states: Tensor, weights: Sequence[float]) -> Tensor:
    """Each token's state [1, L, C] times its weight, and all of them scaled so that their mean stays, as the common
    tools do: emphasis then shifts attention between words and does not strengthen the whole prompt."""
    given = states * torch.tensor(weights, device=states.device, dtype=states.dtype)[None, :, None]
    before, after = states.mean(), given.mean()
    if min(abs(before), abs(after)) < NO_MEAN * states.abs().mean():
        return given
    return given * (before / after)


@contextmanager
def _vectors_in_place(embedding: nn.Module, vectors: Mapping[int, Tensor]) -> Iterator[None]:
    """While it lasts, the embedding gives these vectors [C] for the tokens at these places."""

    def replaced(_module: nn.Module, _given: object, output: Tensor) -> Tensor:
        output = output.clone()
        for index, vector in vectors.items():
            output[:, index] = vector.to(output)
        return output

    hook = embedding.register_forward_hook(replaced) if vectors else None
    try:
        yield
    finally:
        if hook:
            hook.remove()
