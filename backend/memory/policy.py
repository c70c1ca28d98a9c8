"""What a take may hold in memory, and how it reduces its use: one policy, chosen once, applied in one place.

Pictures always pass the VAE one by one, which costs nothing; the rest trades time for memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import nn

from ..errors import JobError, OutOfMemory
from .chunking import chunked
from .device import device_name_and_memory, is_out_of_memory, on_device
from .main_memory import main_memory

MEGABYTE = 2**20
MARGIN = 1.2  # for what cannot be counted: workspaces, rounding and gaps of the device's allocator


@dataclass(frozen=True, kw_only=True)
class MemoryPolicy:
    """Switches. A take is the same with all of them within rounding, except for tile_vae, which blends seams.

    recompute: kinds of layers (a key of the backbone's own table) that are computed again for the gradient instead of
    kept; piece_bytes: layers take larger inputs in pieces of this size; 0 is no limit;
    pair_apart: the negative and the positive prompt's predictions are made one after the other;
    offload: text encoder and VAE stay in main memory while they have nothing to do;
    tile_vae: pictures larger than the VAE was made for pass it in tiles.
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
POLICIES = {policy.name: policy for policy in (FAST, BALANCED, THRIFTY)}  # from the fastest to the smallest


class MemoryNeeds(Protocol):
    """Bytes of one take beside the weights of the network that predicts. movable_bytes: of parts that `offload` keeps
    in main memory; decoding_bytes: that the VAE holds for one picture."""

    @property
    def movable_bytes(self) -> int: ...

    @property
    def decoding_bytes(self) -> int: ...

    def sampling(self, policy: MemoryPolicy) -> int:
        """The most that is held at once."""
        ...


def choose_policy(wish: str, free: int | None, needs: MemoryNeeds) -> MemoryPolicy:
    """The fastest policy that fits, or the one that `wish` (job_folder.settings' `memory`) names.

    free: bytes that the device has left beside the loaded model, None where it does not tell.
    """
    policy = POLICIES.get(wish) or _fitting(free, needs)
    tile = policy is not FAST and free is not None and needs.decoding_bytes * MARGIN > free
    return replace(policy, tile_vae=tile)


def policy_for(wish: str, device: torch.device, needs: MemoryNeeds) -> MemoryPolicy:
    """`choose` for what is free on the device now."""
    return choose_policy(wish, free_bytes(device), needs)


def _fitting(free: int | None, needs: MemoryNeeds) -> MemoryPolicy:
    if free is None:
        return BALANCED
    for policy in (FAST, BALANCED):
        if needs.sampling(policy) * MARGIN <= available_bytes(policy, free, needs):
            return policy
    return THRIFTY


def available_bytes(policy: MemoryPolicy, free: int, needs: MemoryNeeds) -> int:
    """Bytes that sampling may hold where `free` are left beside the loaded model."""
    return free + (needs.movable_bytes if policy.offload else 0)


def thriftier(name: str) -> str | None:
    """The next policy that needs less memory than the one of this name; None when there is none."""
    names = list(POLICIES)
    return next(iter(names[names.index(name) + 1 :]), None)


def check_memory(policy: MemoryPolicy, wish: str, device: torch.device, weights: int, needs: MemoryNeeds) -> str | None:
    """A sentence for the user when the take may not fit with this policy. weights: bytes of the network that predicts.

    JobError when it cannot fit even with the thriftiest and nothing else on the device, unless `wish`, the setting
    `memory`, insists on it."""
    most, free = needs.sampling(policy), free_bytes(device)
    left = None if free is None else available_bytes(policy, free, needs)
    if left is None or most <= left:
        return None
    wanted = f"{most / 1e9:.1f}"
    whole = (device_name_and_memory()[1] or most) - weights
    if wish == "auto" and most > whole:
        raise JobError(
            f"This take needs about {wanted} GB beside the model, even with the setting memory at {policy.name}; "
            f"the device has {max(0, whole) / 1e9:.1f} GB for it at most.",
            "Lower the setting frames or the clip's size. To try it all the same, set memory to thrifty.",
        )
    return (
        f"This take needs about {wanted} GB beside the model with the setting memory at {policy.name}, and "
        f"{left / 1e9:.1f} GB are free: it may run out of memory or take very long."
    )


@contextmanager
def apply_policy(
    policy: MemoryPolicy,
    network: nn.Module,
    layers: tuple[type, ...],
    again: tuple[type, ...],
    movable: Sequence[nn.Module],
    vae: Any,
    controls: Sequence[nn.Module] = (),
) -> Iterator[None]:
    """Within the block the modules work as the policy wants; they are then as they were.

    network: predicts; layers: kinds of layers that can take their input in pieces, in it and in `controls`; again:
    those that are computed again for the gradient; movable: what can wait in main memory, and is fetched for its work;
    vae: can work in tiles. OutOfMemory when the device or the computer runs out of memory within.
    """
    try:
        with ExitStack() as stack:
            stack.enter_context(chunked(network, layers, policy.chunk_bytes, again))
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
    """What `device` can still give, with what its allocator keeps in hand; None where that cannot be learnt."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    return main_memory()[1]


def parameter_bytes(module: nn.Module) -> int:
    return sum(weight.numel() * weight.element_size() for weight in module.parameters())


@contextmanager
def _tiled(vae: Any) -> Iterator[None]:
    before = vae.use_tiling
    vae.enable_tiling()
    try:
        yield
    finally:
        vae.use_tiling = before
