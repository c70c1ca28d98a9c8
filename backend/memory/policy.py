"""What a take may hold in memory, and how it makes do with less: one policy, chosen once, applied in one place.

Pictures always pass the VAE one by one, which costs nothing; the rest trades time for memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import torch
from diffusers import AutoencoderKL
from torch import nn

from ..errors import JobError, OutOfMemory
from ..job_folder.settings import Settings
from .device import attention_is_fused, described, ran_out, working_on
from .main_memory import main_memory
from .sparing import KINDS, sparing

MEGABYTE = 2**20


@dataclass(frozen=True, kw_only=True)
class MemoryPolicy:
    """Switches. A take is the same with all of them within rounding, except for tile_vae, which blends seams.

    recompute: layers (memory.sparing.KINDS) that are computed again for the gradient instead of kept;
    piece_bytes: layers take larger inputs in pieces of this size; 0 is no limit;
    pair_apart: the negative and the positive prompt's predictions are made one after the other;
    offload: text encoder and VAE stay in main memory while they have nothing to do;
    tile_vae: pictures larger than the VAE was made for pass it in tiles.
    """

    name: str
    recompute: str = "nothing"
    piece_bytes: int = 0
    pair_apart: bool = False
    offload: bool = False
    tile_vae: bool = False


FAST = MemoryPolicy(name="fast")
BALANCED = MemoryPolicy(name="balanced", recompute="transformers", piece_bytes=16 * MEGABYTE, offload=True)
THRIFTY = MemoryPolicy(name="thrifty", recompute="layers", piece_bytes=8 * MEGABYTE, pair_apart=True, offload=True)
POLICIES = {policy.name: policy for policy in (FAST, BALANCED, THRIFTY)}  # from the fastest to the smallest


class Loaded(Protocol):
    """What is looked at of a loaded model, a dataclass: `applied` gives a copy of it with its own `pair_apart`."""

    unet: Any
    vae: Any
    text_encoder: Any
    latent_scale: int  # pixels to a latent cell along each side
    pair_apart: bool


Model = TypeVar("Model", bound=Loaded)


@dataclass(frozen=True, kw_only=True)
class Form:
    """Of a model: channels of its first block, bytes of a number in the UNet, pixels to a latent cell along each side,
    bytes of text encoder and VAE, heads of its first block's attention, and whether the device fuses that."""

    width: int
    number_bytes: int
    latent_scale: int
    movable_bytes: int
    heads: int = 8
    fused: bool = True


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Most that is held beside the weights, in units: numbers of one picture of each frame in the UNet's first block.

    guided: with a gradient from up_blocks.0 or 1, 2, 3; plain: without; control: more for each control.
    """

    guided: tuple[int, int, int]
    plain: int
    control: int


# Counted for SD1.5 by `bench memory`; tests count again.
NEEDS = {
    "fast": Needs(guided=(266, 348, 522), plain=53, control=15),
    "balanced": Needs(guided=(82, 121, 188), plain=24, control=15),
    "thrifty": Needs(guided=(37, 63, 98), plain=12, control=9),
}
DECODING = 770  # numbers, float32, that the VAE holds for each pixel of a picture
# Where attention is not fused: matrices of all queries and keys that are held of each picture in the first block, in a
# pass without and with a gradient, and with one when layers are computed again. Counted for SD1.5; tests count again.
MATRICES = {"plain": 4.0, "kept": 9.5, "again": 5.7}
MARGIN = 1.2  # for what cannot be counted: workspaces, rounding and gaps of the device's allocator


def choose(
    wish: str, free: int | None, form: Form, clip: tuple[int, int, int], deepest: int | None, controls: int = 0
) -> MemoryPolicy:
    """The fastest policy that fits, or the one that `wish` (job_folder.settings' `memory`) names.

    free: bytes that the device has left beside the loaded model, None where it does not tell; clip: frames and latent
    cells (F, h, w); deepest: the highest up block whose attention is guided, None in plain generation; controls: their
    number.
    """
    policy = POLICIES.get(wish) or _fitting(free, form, clip, deepest, controls)
    decoding = DECODING * 4 * clip[1] * clip[2] * form.latent_scale**2
    tile = policy is not FAST and free is not None and decoding * MARGIN > free
    return replace(policy, tile_vae=tile)


def _fitting(
    free: int | None, form: Form, clip: tuple[int, int, int], deepest: int | None, controls: int
) -> MemoryPolicy:
    if free is None:
        return BALANCED
    for policy in (FAST, BALANCED):
        room = free + (form.movable_bytes if policy.offload else 0)
        if needed(policy, form, clip, deepest, controls) * MARGIN <= room:
            return policy
    return THRIFTY


def needed(policy: MemoryPolicy, form: Form, clip: tuple[int, int, int], deepest: int | None, controls: int = 0) -> int:
    """Bytes that a take holds at once beside the model's weights, as counted; for the arguments see `choose`."""
    needs = NEEDS[policy.name]
    most = needs.plain if deepest is None else max(needs.plain, needs.guided[min(max(deepest, 1), 3) - 1])
    unit = clip[0] * clip[1] * clip[2] * form.width * form.number_bytes
    fused = (most + needs.control * controls) * unit
    return fused if form.fused else fused + _matrices(policy, form, clip, deepest is not None)


def _matrices(policy: MemoryPolicy, form: Form, clip: tuple[int, int, int], guided: bool) -> int:
    """Bytes of attention's matrices, which layers that take their input in pieces make for one piece at a time."""
    frames, cells = clip[0], clip[1] * clip[2]
    piece = max(1, policy.piece_bytes // (cells * form.width * form.number_bytes)) if policy.piece_bytes else 2 * frames
    most = MATRICES["plain"] * min(piece, frames if policy.pair_apart else 2 * frames)
    if guided:
        kind = "kept" if policy.recompute == "nothing" else "again"
        most = max(most, MATRICES[kind] * min(piece, frames))
    return round(most * form.heads * cells**2 * form.number_bytes)


def thriftier(name: str) -> str | None:
    """The next policy that needs less memory than the one of this name; None when there is none."""
    names = list(POLICIES)
    return next(iter(names[names.index(name) + 1 :]), None)


def policy_for(model: Loaded, settings: Settings, frames: int, size: tuple[int, int], controls: int) -> MemoryPolicy:
    """For a take of so many frames of (H, W) pixels by a model that is loaded already."""
    free = free_bytes(model.unet.device)
    return choose(settings.memory, free, *_demand(model, settings, frames, size, controls))


def check_room(
    policy: MemoryPolicy, model: Loaded, settings: Settings, frames: int, size: tuple[int, int], controls: int
) -> str | None:
    """A sentence for the user when the take may not fit with this policy; see `policy_for`.

    JobError when it cannot fit even with the thriftiest and nothing else on the device, unless the setting `memory`
    insists on it."""
    device, demand = model.unet.device, _demand(model, settings, frames, size, controls)
    most, free = needed(policy, *demand), free_bytes(device)
    room = None if free is None else free + (demand[0].movable_bytes if policy.offload else 0)
    if room is None or most <= room:
        return None
    said = f"This take needs about {most / 1e9:.1f} GB beside the model, even with the setting memory at {policy.name}"
    whole = (described()[1] or most) - bytes_of(model.unet)
    if settings.memory == "auto" and most > whole:
        raise JobError(
            f"{said}; the device has {max(0, whole) / 1e9:.1f} GB for it at most.",
            "Lower the setting frames or the clip's size. To try it all the same, set memory to thrifty.",
        )
    return f"{said}, and {room / 1e9:.1f} GB are free: it may run out of memory or take very long."


def _demand(
    model: Loaded, settings: Settings, frames: int, size: tuple[int, int], controls: int
) -> tuple[Form, tuple[int, int, int], int | None, int]:
    """What `choose` and `needed` are asked of a take."""
    unet, s = model.unet, settings
    heads = unet.config.num_attention_heads
    form = Form(
        width=unet.config.block_out_channels[0],
        number_bytes=unet.dtype.itemsize,
        latent_scale=model.latent_scale,
        movable_bytes=bytes_of(model.text_encoder) + bytes_of(model.vae) if unet.device.type != "cpu" else 0,
        heads=heads if isinstance(heads, int) else heads[0],
        fused=attention_is_fused(unet.device, unet.dtype),
    )
    blocks = [*s.guidance_blocks, *(s.semantic_blocks if s.method == "inversion" else ())]
    deepest = max(_up_block(block) for block in blocks) if s.is_guided else None
    return form, (frames, *(side // model.latent_scale for side in size)), deepest, controls


@contextmanager
def applied(policy: MemoryPolicy, model: Model, controls: Sequence[Any] = ()) -> Iterator[Model]:
    """The model as the policy wants it for as long as the block lasts; it is then as it was.

    OutOfMemory when the device or the computer runs out of memory within.
    """
    try:
        with ExitStack() as stack:
            stack.enter_context(sparing(model.unet, policy.piece_bytes, KINDS[policy.recompute]))
            for control in controls:
                stack.enter_context(sparing(control.model, policy.piece_bytes))
            if policy.offload:
                stack.enter_context(working_on("cpu", model.text_encoder))  # the codec fetches them for their work
                stack.enter_context(working_on("cpu", model.vae))
            if policy.tile_vae:
                stack.enter_context(_tiled(model.vae))
            yield replace(model, pair_apart=policy.pair_apart)
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
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


def _up_block(name: str) -> int:
    """The number of an up block; 0 for blocks before them."""
    return int(name.removeprefix("up_blocks.")) if name.removeprefix("up_blocks.").isdigit() else 0


def bytes_of(module: nn.Module) -> int:
    return sum(weight.numel() * weight.element_size() for weight in module.parameters())


@contextmanager
def _tiled(vae: AutoencoderKL) -> Iterator[None]:
    before = vae.use_tiling
    vae.enable_tiling()
    try:
        yield
    finally:
        vae.use_tiling = before
