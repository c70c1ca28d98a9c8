"""The state that sampling carries from one step to the next."""

from __future__ import annotations

from torch import Tensor


class SamplerState(dict[str, Tensor]):
    """The tensors that later steps need from earlier ones, by name. The sampler, solver and guidance each add theirs.

    With this state and the same model and text, interrupted sampling continues as if it had never stopped, bit for bit
    if the device computes deterministically (see memory.device).

    Tensors are replaced, never changed in place, so a shallow copy is a snapshot. They are stored contiguous: a file
    does not keep strides, and a sum over other strides rounds differently.
    """

    def __setitem__(self, name: str, tensor: Tensor) -> None:
        super().__setitem__(name, tensor.contiguous())

    @property
    def done(self) -> int:
        """The number of finished steps."""
        return int(self.get("steps", 0))
