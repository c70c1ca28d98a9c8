"""Reduces the memory of a model's layers: processes inputs in chunks and recomputes activations for the gradient.

Both are exact, because these layers treat each row of their input alone: spatial layers a frame, temporal layers a
position. diffusers' own gradient checkpointing leaves out motion modules, which store the most, and its forward
chunking supports only feed-forward layers and sizes that divide evenly.
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
    model: nn.Module, kinds: tuple[type, ...], chunk_bytes: int, recompute: tuple[type, ...] = ()
) -> Iterator[None]:
    """Makes the layers of these classes use less memory for the duration of the block, then restores the model.

    Inputs of more than `chunk_bytes` bytes (0: no limit) are processed in chunks. Layers of the classes `recompute`
    store only their input for the gradient (Chen et al., arXiv:1604.06174).

    A layer whose attention or keys are recorded runs once, with its whole input, so that the record is complete. The
    layers inside it that are not recorded are still chunked.
    """
    if not chunk_bytes and not recompute:
        yield
        return
    state = _State()
    layers = [layer for layer in model.modules() if isinstance(layer, kinds)]
    for layer in layers:
        layer.forward = _ChunkedForward(layer, chunk_bytes, isinstance(layer, recompute), state)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


class _State:
    """recomputing: whether the code that runs now is inside a checkpoint, in the forward or the backward pass."""

    recomputing = False


class _ChunkedForward:
    """The forward pass of a layer. Its first argument, and others of that length, have a row per frame or position."""

    def __init__(self, layer: nn.Module, chunk_bytes: int, recompute: bool, state: _State):
        self._layer, self._forward = layer, layer.forward
        self._chunk_bytes, self._recompute, self._state = chunk_bytes, recompute, state

    def __call__(self, *args: Any, **named: Any) -> Any:
        recompute = self._recompute and torch.is_grad_enabled() and not self._state.recomputing
        rows, step = self._rows(args[0] if args else next(iter(named.values())))
        if (step >= rows and not recompute) or _is_recorded(self._layer):
            return self._forward(*args, **named)
        chunks = []
        for start in range(0, rows, step):
            some, some_named = _cut(args, rows, start, step), _cut(named, rows, start, step)
            if recompute:
                chunk = checkpoint(self._run, *some, use_reentrant=False, preserve_rng_state=False, **some_named)
            else:
                chunk = self._forward(*some, **some_named)
            chunks.append(chunk)
        if isinstance(chunks[0], tuple):
            return tuple(_joined(parts) for parts in zip(*chunks))
        return _joined(chunks)

    def _rows(self, first: Tensor) -> tuple[int, int]:
        """Returns the number of rows of the input, and the number of rows in a chunk."""
        rows = len(first)
        most = self._chunk_bytes * rows // (first.numel() * first.element_size()) if self._chunk_bytes else rows
        return rows, max(1, min(rows, most))

    def _run(self, *args: Any, **named: Any) -> Any:
        """The forward pass inside a checkpoint. It runs again in the backward pass."""
        self._state.recomputing = True
        try:
            return self._forward(*args, **named)
        finally:
            self._state.recomputing = False


def _is_recorded(layer: nn.Module) -> bool:
    """Whether a recorder, or any other hook, needs what is computed inside the layer."""
    return any(
        module._forward_hooks or getattr(getattr(module, "processor", None), "keep", None) for module in layer.modules()
    )


def _cut(arguments: Any, rows: int, start: int, step: int) -> Any:
    """Cuts the rows from `start` to `start + step` out of each argument that has `rows` rows."""

    def part(value: Any) -> Any:
        return value[start : start + step] if isinstance(value, Tensor) and len(value) == rows else value

    if isinstance(arguments, dict):
        return {name: part(value) for name, value in arguments.items()}
    return tuple(part(value) for value in arguments)


def _joined(parts: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
