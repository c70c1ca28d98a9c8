"""Memory policies: how a take reduces its memory use. One is chosen for a take and applied in one place.

The VAE always encodes and decodes frame by frame, which costs no time. Everything else trades time for memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import nn

from ..errors import OutOfMemory
from ..job_folder.problem import Problem, Sentence
from .chunking import chunked
from .device import device_name_and_memory, is_out_of_memory, on_device
from .main_memory import main_memory

MEGABYTE = 2**20
MARGIN = 1.2  # for what is not counted: workspaces, and the rounding and fragmentation of the allocator


@dataclass(frozen=True, kw_only=True)
class MemoryPolicy:
    """A set of switches. They change a take only within rounding, except for tile_vae, which blends seams.

    recompute: the kinds of layers (a key of the backbone's table) whose activations are recomputed for the gradient
    instead of stored. chunk_bytes: layers process larger inputs in chunks of this size; 0 is no limit.
    separate_prompts: the predictions for the negative and the positive prompt are not batched.
    offload: text encoder and VAE stay in main memory while they are not used.
    tile_vae: the VAE processes large frames in tiles.
    """

    name: str
    recompute: str = "nothing"
    chunk_bytes: int = 0
    separate_prompts: bool = False
    offload: bool = False
    tile_vae: bool = False


FAST = MemoryPolicy(name="fast")
BALANCED = MemoryPolicy(name="balanced", recompute="transformers", chunk_bytes=16 * MEGABYTE, offload=True)
THRIFTY = MemoryPolicy(
    name="thrifty", recompute="layers", chunk_bytes=8 * MEGABYTE, separate_prompts=True, offload=True
)
POLICIES = {policy.name: policy for policy in (FAST, BALANCED, THRIFTY)}  # from the fastest to the least memory


class MemoryNeeds(Protocol):
    """The memory that a take needs besides the weights of the denoising network, in bytes.

    movable_bytes: the weights that `offload` keeps in main memory. decoding_bytes: what the VAE needs for one frame.
    """

    @property
    def movable_bytes(self) -> int: ...

    @property
    def decoding_bytes(self) -> int: ...

    def sampling(self, policy: MemoryPolicy) -> int:
        """Returns the peak memory of sampling with this policy."""
        ...


def choose_policy(requested: str, free: int | None, needs: MemoryNeeds) -> MemoryPolicy:
    """Returns the policy that `requested`, the setting `memory`, names; for 'auto' the fastest one that fits.

    free: the bytes that the device has free besides the loaded model, None if unknown.
    """
    policy = POLICIES.get(requested) or _fitting(free, needs)
    tile = policy is not FAST and free is not None and needs.decoding_bytes * MARGIN > free
    return replace(policy, tile_vae=tile)


def policy_for(requested: str, device: torch.device, needs: MemoryNeeds) -> MemoryPolicy:
    """Returns `choose_policy` for the memory that is free on the device now."""
    return choose_policy(requested, free_bytes(device), needs)


def _fitting(free: int | None, needs: MemoryNeeds) -> MemoryPolicy:
    if free is None:
        return BALANCED
    for policy in (FAST, BALANCED):
        if needs.sampling(policy) * MARGIN <= available_bytes(policy, free, needs):
            return policy
    return THRIFTY


def available_bytes(policy: MemoryPolicy, free: int, needs: MemoryNeeds) -> int:
    """Returns the bytes available to sampling if `free` bytes are free besides the loaded model."""
    return free + (needs.movable_bytes if policy.offload else 0)


def thriftier(name: str) -> str | None:
    """Returns the name of the next policy that needs less memory than this one, None after the last."""
    names = list(POLICIES)
    return next(iter(names[names.index(name) + 1 :]), None)


def check_memory(
    policy: MemoryPolicy, requested: str, device: torch.device, weights: int, needs: MemoryNeeds
) -> str | None:
    """Returns a note for the user if the take may not fit into memory with this policy, else None.

    weights: the bytes of the denoising network. Raises Problem if the take cannot fit even on an otherwise empty
    device; only if `requested`, the setting `memory`, is 'auto'.
    """
    most, free = needs.sampling(policy), free_bytes(device)
    left = None if free is None else available_bytes(policy, free, needs)
    if left is None or most <= left:
        return None
    wanted = f"{most / 1e9:.1f}"
    whole = (device_name_and_memory()[1] or most) - weights
    if requested == "auto" and most > whole:
        raise Problem(
            "This take needs about {wanted} GB besides the model, even with memory set to {policy}; the "
            "device has at most {max} GB for it.",
            "Lower the setting context_length or the clip's size. To try it anyway, set memory to thrifty.",
        ).about(wanted=wanted, policy=policy.name, max=f"{max(0, whole) / 1e9:.1f}")
    return Sentence(
        "This take needs about {wanted} GB besides the model with memory set to {policy}, and {left} GB "
        "are free: it may run out of memory or take very long.",
        wanted=wanted,
        policy=policy.name,
        left=f"{left / 1e9:.1f}",
    )


@contextmanager
def apply_policy(
    policy: MemoryPolicy,
    network: nn.Module,
    layers: tuple[type, ...],
    recompute: tuple[type, ...],
    movable: Sequence[nn.Module],
    vae: Any,
    controls: Sequence[nn.Module] = (),
) -> Iterator[None]:
    """Applies the policy to the modules for the duration of the block, then restores them.

    network: the denoising network. layers: the layer classes of `network` and `controls` that can process their input
    in chunks. recompute: those of them that are recomputed for the gradient. movable: modules that can wait in main
    memory and move to the device when they are used. vae: can process tiles.
    Raises OutOfMemory if the device or the computer runs out of memory within the block.
    """
    try:
        with ExitStack() as stack:
            stack.enter_context(chunked(network, layers, policy.chunk_bytes, recompute))
            for control in controls:
                stack.enter_context(chunked(control, layers, policy.chunk_bytes))
            for module in movable if policy.offload else ():
                stack.enter_context(on_device("cpu", module))
            if policy.tile_vae:
                stack.enter_context(_tiled(vae))
            yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(policy.name, thriftier(policy.name)) from error


def free_bytes(device: torch.device) -> int | None:
    """Returns the free memory of `device` in bytes, with what its allocator holds unused; None if unknown."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    return main_memory()[1]


def parameter_bytes(module: nn.Module) -> int:
    """Returns the size of all parameters of the module."""
    return sum(weight.numel() * weight.element_size() for weight in module.parameters())


@contextmanager
def _tiled(vae: Any) -> Iterator[None]:
    before = vae.use_tiling
    vae.enable_tiling()
    try:
        yield
    finally:
        vae.use_tiling = before
