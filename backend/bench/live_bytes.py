"""Counts the bytes that a computation holds, without running it: nothing is computed on the meta device."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from .counting import AnyNumber, tensors_in


@dataclass(frozen=True)
class Held:
    """Bytes in addition to existing tensors: at the peak, and saved by autograd for a gradient."""

    peak: int
    saved: int


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all living storages created within the block: now, and at the peak.

    Storages first seen as inputs, such as weights, existed before and do not count. Workspaces inside an operation and
    the allocator's overhead are not counted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        for tensor in tensors_in((args, tuple((kwargs or {}).values()))):
            self._meet(tensor, 0)
        result = func(*args, **(kwargs or {}))
        for tensor in tensors_in(result):
            self._meet(tensor, tensor.untyped_storage().nbytes())
        self.peak = max(self.peak, self.now)
        return result

    def _meet(self, tensor: Tensor, size: int) -> None:
        """Counts a storage from its first use until it is freed. A view shares its tensor's storage."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._known:
            self._known.add(key)
            self.now += size
            weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


class SavedBytes:
    """Counts the bytes of storages that autograd saves for the backward pass, each once, without `weights`."""

    def __init__(self, weights: Iterable[Tensor] = ()):
        self._sizes: dict[int, int] = {}
        self._weights = {weight.untyped_storage()._cdata for weight in weights}

    @property
    def total(self) -> int:
        return sum(self._sizes.values())

    def pack(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._weights:
            self._sizes[storage._cdata] = storage.nbytes()
        return tensor


@contextmanager
def fused_attention() -> Iterator[None]:
    """Within the block, attention runs as on GPUs, without the matrix of all queries and keys.

    A torch function mode would not work: it is inactive inside autograd, and therefore where layers are recomputed.
    """
    own = functional.scaled_dot_product_attention

    def fused(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> Tensor:
        return torch.ops.aten._scaled_dot_product_efficient_attention(query, key, value, None, True)[0]

    functional.scaled_dot_product_attention = fused
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = own


def peak_of(run: Callable[[], object]) -> int:
    """The peak of the bytes held by `run`, in addition to existing tensors.

    Without the hooks of `held`, which keep the graph of a pass after its end, so it can run many passes.
    """
    with fused_attention(), AnyNumber(), LiveBytes() as live:
        run()
    return live.peak


def held(run: Callable[[], object], weights: Iterable[Tensor] = ()) -> Held:
    """The bytes held by `run`, in addition to existing tensors."""
    saved = SavedBytes(weights)
    with fused_attention(), AnyNumber(), LiveBytes() as live, saved_tensors_hooks(saved.pack, lambda tensor: tensor):
        run()
    return Held(live.peak, saved.total)
