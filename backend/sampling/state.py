"""What sampling remembers from one step to the next."""

from __future__ import annotations

from torch import Tensor


class SamplerState(dict[str, Tensor]):
    """All that the steps which are done leave to those that follow, by name: with it and the same model and text,
    sampling goes on as if it had never been stopped: bit for bit where the device computes so (see memory.device).

    The sampler, its solver and its guidance each keep their own here. Tensors are replaced, never changed in place, so
    that a shallow copy is a record; and they are contiguous, because a file does not keep strides, and sums over other
    strides round otherwise.
    """

    def __setitem__(self, name: str, tensor: Tensor) -> None:
        super().__setitem__(name, tensor.contiguous())

    @property
    def done(self) -> int:
        """How many steps are done."""
        return int(self.get("steps", 0))
