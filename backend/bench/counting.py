"""Counts operations on the meta device, where tensors have a form but no values and nothing is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class AnyNumber(TorchDispatchMode):
    """Lets code on the meta device ask for a tensor's value; it has none, and counting needs none.

    What an operation makes of such inputs is remembered: a network repeats itself, and to work out a result's form
    takes torch far longer than to make one of that form.
    """

    _forms: ClassVar[dict[Any, Any]] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:
            return 1.0
        asked = (func, _form(args), _form(tuple((kwargs or {}).items())))
        if asked in self._forms:
            return _made(self._forms[asked])
        result = func(*args, **(kwargs or {}))
        if _is_new(result, (args, tuple((kwargs or {}).values()))):
            self._forms[asked] = _form(result)
        return result


class _TensorForm(NamedTuple):
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: str


def _form(value: Any) -> Any:
    """What tells one set of inputs or results from another."""
    if isinstance(value, Tensor):
        return _TensorForm(tuple(value.shape), value.stride(), value.dtype, value.device.type)
    if isinstance(value, list | tuple):
        return tuple(map(_form, value))
    return type(value), value  # 1, 1.0 and True are equal, and give results of different types


def _made(form: Any) -> Any:
    if isinstance(form, _TensorForm):
        return torch.empty_strided(form.shape, form.stride, dtype=form.dtype, device=form.device)
    return tuple(map(_made, form))


def _is_new(result: Any, given: Any) -> bool:
    """Whether it is tensors without values, and shares no memory with what was given."""
    tensors = result if isinstance(result, tuple) else (result,)
    if not tensors or not all(isinstance(tensor, Tensor) and tensor.is_meta for tensor in tensors):
        return False
    theirs = {tensor.untyped_storage()._cdata for tensor in tensors_in(given)}
    return not any(tensor.untyped_storage()._cdata in theirs for tensor in tensors)


def tensors_in(given: Any) -> Iterator[Tensor]:
    """Those in what an operation is given or gives, which nests lists at most; torch's own search takes longer."""
    if isinstance(given, Tensor):
        yield given
    elif isinstance(given, list | tuple):
        for part in given:
            yield from tensors_in(part)


class Operations(AnyNumber):
    """Counts floating-point operations by torch's own formulas. Its FlopCounterMode takes longer, for it also tells the
    modules apart, and cannot follow a gradient to a leaf that is a module's input."""

    total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = super().__torch_dispatch__(func, types, args, kwargs)
        if formula := flop_registry.get(func.overloadpacket):
            self.total += formula(*args, **(kwargs or {}), out_val=result)
        return result


def operations(run: Callable[[], object]) -> float:
    """Floating-point operations of `run`, a multiplication with its addition counted as two."""
    with Operations() as counter:
        run()
    return counter.total
