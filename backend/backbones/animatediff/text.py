"""Embeds prompts with the text encoder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from ...job_folder.problem import Problem
from ...memory.device import on_device
from .tokens import TokenPart, token_parts

MIN_MEAN = 1e-3  # of the mean absolute value: weights are not normalized by a mean that is closer to 0


class TextModel(Protocol):
    """The parts of a loaded model that embedding needs. device: where the text encoder runs."""

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
    """Returns the embedding [1, L, C] of each text. Shorter texts get empty parts, so that all have the same length.

    clip_skip: 1 reads the last layer of the text encoder, 2 the one before it, and so on. Raises Problem if a part has
    more tokens than the encoder reads, or if the encoder has fewer layers.
    """
    if clip_skip > (layers := model.text_encoder.config.num_hidden_layers):
        raise Problem(
            "The setting clip_skip is {clip_skip}; the model's text encoder has {layers} layers.", "Lower it."
        ).about(clip_skip=clip_skip, layers=layers)
    all_parts = [token_parts(model.tokenizer, text, model.embeddings) for text in texts]
    count = max(map(len, all_parts))
    (empty,) = token_parts(model.tokenizer, "", {})
    with on_device(model.device, model.text_encoder) as encoder:
        return [
            torch.cat([_embedded(encoder, part, clip_skip) for part in parts + [empty] * (count - len(parts))], 1)
            for parts in all_parts
        ]


def _embedded(encoder: CLIPTextModel, part: TokenPart, clip_skip: int) -> Tensor:
    ids = torch.tensor([part.ids], device=encoder.device)
    with _replaced_embeddings(encoder.embeddings.token_embedding, part.vectors):
        if clip_skip == 1:
            states = encoder(ids)[0]
        else:
            states = encoder(ids, output_hidden_states=True).hidden_states[-clip_skip]
            states = encoder.final_layer_norm(states)
    return states if set(part.weights) == {1.0} else weighted(states, part.weights)


def weighted(states: Tensor, weights: Sequence[float]) -> Tensor:
    """Multiplies the state of each token, [1, L, C], by its weight, then restores the mean of all states.

    As in AUTOMATIC1111's web UI: emphasis shifts attention between words without strengthening the whole prompt.
    """
    given = states * torch.tensor(weights, device=states.device, dtype=states.dtype)[None, :, None]
    before, after = states.mean(), given.mean()
    if min(abs(before), abs(after)) < MIN_MEAN * states.abs().mean():
        return given
    return given * (before / after)


@contextmanager
def _replaced_embeddings(embedding: nn.Module, vectors: Mapping[int, Tensor]) -> Iterator[None]:
    """Makes the embedding return these vectors [C] for the tokens at these indices, for the duration of the block."""

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
