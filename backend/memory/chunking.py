"""Lets a model's layers compute in pieces, and compute again what they would otherwise keep for the gradient.

Both are exact, because the layers in question treat each row alone: spatial ones a frame, temporal ones a position.
diffusers' gradient checkpointing leaves out motion modules, which keep the most, and its forward chunking knows
feed-forwards alone and wants sizes that divide evenly.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


@contextmanager
def chunked(
    model: nn.Module, kinds: tuple[type, ...], chunk_bytes: int, again: tuple[type, ...] = ()
) -> Iterator[None]:
    """Within the block, layers of these kinds whose input has more than `piece_bytes` (0: no limit) take it piece by
    piece, and those of the kinds `again` among them keep only that input for the gradient. Afterwards the model is as
    it was.

    A layer in which someone listens to attention or keys runs whole and once, so that they come whole and once; the
    layers inside it that nobody listens to are spared all the same.
    """
    if not chunk_bytes and not again:
        yield
        return
    state = _State()
    layers = [layer for layer in model.modules() if isinstance(layer, kinds)]
    for layer in layers:
        layer.forward = _Sparing(layer, chunk_bytes, isinstance(layer, again), state)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


class _State:
    """again: whether what runs just now will be, or is, computed again as a whole."""

    again = False


class _Sparing:
    """The forward pass of a layer; its first argument and what goes with it have a row for each frame or position."""

    def __init__(self, layer: nn.Module, chunk_bytes: int, again: bool, state: _State):
        self._layer, self._forward = layer, layer.forward
        self._piece_bytes, self._again, self._state = chunk_bytes, again, state

    def __call__(self, *args: Any, **named: Any) -> Any:
        again = self._again and torch.is_grad_enabled()
        rows, step = self._rows(args[0] if args else next(iter(named.values())))
        again = again and not self._state.again
        if (step >= rows and not again) or _listened_to(self._layer):
            return self._forward(*args, **named)
        parts = []
        for start in range(0, rows, step):
            some, some_named = _cut(args, rows, start, step), _cut(named, rows, start, step)
            if again:
                part = checkpoint(self._run, *some, use_reentrant=False, preserve_rng_state=False, **some_named)
            else:
                part = self._forward(*some, **some_named)
            parts.append(part)
        if isinstance(parts[0], tuple):
            return tuple(_joined(pieces) for pieces in zip(*parts))
        return _joined(parts)

    def _rows(self, first: Tensor) -> tuple[int, int]:
        """How many rows the input has, and how many make a piece."""
        rows = len(first)
        most = self._piece_bytes * rows // (first.numel() * first.element_size()) if self._piece_bytes else rows
        return rows, max(1, min(rows, most))

    def _run(self, *args: Any, **named: Any) -> Any:
        """Runs also in the backward pass."""
        self._state.again = True
        try:
            return self._forward(*args, **named)
        finally:
            self._state.again = False


def _listened_to(layer: nn.Module) -> bool:
    """Whether a recorder, or anyone else, wants to know what is computed inside."""
    return any(
        module._forward_hooks or getattr(getattr(module, "processor", None), "keep", None) for module in layer.modules()
    )


def _cut(arguments: Any, rows: int, start: int, step: int) -> Any:
    """Of each argument that has so many rows, those from `start`."""

    def part(value: Any) -> Any:
        return value[start : start + step] if isinstance(value, Tensor) and len(value) == rows else value

    if isinstance(arguments, dict):
        return {name: part(value) for name, value in arguments.items()}
    return tuple(part(value) for value in arguments)


def _joined(parts: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
