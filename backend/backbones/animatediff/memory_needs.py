"""What a take by AnimateDiff holds in memory, as counted, and which of its layers can be spared."""

from __future__ import annotations

from dataclasses import dataclass

from diffusers.models.attention import BasicTransformerBlock, FeedForward
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel

from ...memory.policy import MemoryPolicy

# From the outside in: within one that is spared as a whole, nothing more is to be done.
LAYERS = (ResnetBlock2D, Transformer2DModel, BasicTransformerBlock, FeedForward)
# What can be computed again: transformers keep the most for what computing them costs.
KINDS: dict[str, tuple[type, ...]] = {
    "nothing": (),
    "transformers": (BasicTransformerBlock, FeedForward),
    "layers": LAYERS,
}


@dataclass(frozen=True, kw_only=True)
class ModelShape:
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
ATTENTION_MATRICES = {"plain": 4.0, "kept": 9.5, "again": 5.7}


@dataclass(frozen=True)
class TakeNeeds:
    """clip: frames and latent cells (F, h, w); deepest: the highest up block whose attention is guided, None in plain
    generation; controls: their number."""

    shape: ModelShape
    clip: tuple[int, int, int]
    deepest_block: int | None
    controls: int = 0

    @property
    def movable_bytes(self) -> int:
        return self.shape.movable_bytes

    @property
    def decoding_bytes(self) -> int:
        return DECODING * 4 * self.clip[1] * self.clip[2] * self.shape.latent_scale**2

    def sampling(self, policy: MemoryPolicy) -> int:
        needs, shape = NEEDS[policy.name], self.shape
        guided = 0 if self.deepest_block is None else needs.guided[min(max(self.deepest_block, 1), 3) - 1]
        unit = self.clip[0] * self.clip[1] * self.clip[2] * shape.width * shape.number_bytes
        fused = (max(needs.plain, guided) + needs.control * self.controls) * unit
        return fused if shape.fused else fused + self._matrices(policy)

    def _matrices(self, policy: MemoryPolicy) -> int:
        """Bytes of attention's matrices, which layers that take their input in pieces make for one piece at a time."""
        shape, frames, cells = self.shape, self.clip[0], self.clip[1] * self.clip[2]
        row = cells * shape.width * shape.number_bytes
        piece = max(1, policy.chunk_bytes // row) if policy.chunk_bytes else 2 * frames
        most = ATTENTION_MATRICES["plain"] * min(piece, frames if policy.separate_prompts else 2 * frames)
        if self.deepest_block is not None:
            kind = "kept" if policy.recompute == "nothing" else "again"
            most = max(most, ATTENTION_MATRICES[kind] * min(piece, frames))
        return round(most * shape.heads * cells**2 * shape.number_bytes)


def up_block(name: str) -> int:
    """The number of an up block; 0 for blocks before them."""
    return int(name.removeprefix("up_blocks.")) if name.removeprefix("up_blocks.").isdigit() else 0
