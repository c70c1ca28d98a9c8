"""The memory that a take of AnimateDiff needs, as counted, and the layers that can save some of it."""

from __future__ import annotations

from dataclasses import dataclass

from diffusers.models.attention import BasicTransformerBlock, FeedForward
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel

from ...memory.policy import MemoryPolicy

# Layers that can process their input in chunks, from the outside in: inside a chunked layer nothing more is chunked.
LAYERS = (ResnetBlock2D, Transformer2DModel, BasicTransformerBlock, FeedForward)
# Layers to recompute, by MemoryPolicy.recompute. Transformers store the most for what recomputing them costs.
KINDS: dict[str, tuple[type, ...]] = {
    "nothing": (),
    "transformers": (BasicTransformerBlock, FeedForward),
    "layers": LAYERS,
}


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """The sizes of a model that decide its memory needs.

    width: channels of the first block. number_bytes: bytes of a number in the UNet. latent_scale: pixels per latent
    cell along each side. movable_bytes: the size of text encoder and VAE. heads: of the first block's attention.
    fused: whether the device has fused attention.
    """

    width: int
    number_bytes: int
    latent_scale: int
    movable_bytes: int
    heads: int = 8
    fused: bool = True


@dataclass(frozen=True, kw_only=True)
class Needs:
    """The peak memory besides the weights, in units of one activation of the clip in the UNet's first block.

    guided: with a gradient from up_blocks.0 or .1, from .2, and from .3. plain: without a gradient.
    control: added for each control.
    """

    guided: tuple[int, int, int]
    plain: int
    control: int


# Counted for SD1.5 by `bench memory`; a test counts again.
NEEDS = {
    "fast": Needs(guided=(266, 348, 522), plain=53, control=15),
    "balanced": Needs(guided=(82, 121, 188), plain=24, control=15),
    "thrifty": Needs(guided=(37, 63, 98), plain=12, control=9),
}
DECODING = 770  # float32 numbers that the VAE holds for each pixel of a frame
# Without fused attention: matrices of queries and keys held for each frame in the first block, in a pass without a
# gradient, with one, and with one when layers are recomputed. Counted for SD1.5; a test counts again.
ATTENTION_MATRICES = {"plain": 4.0, "kept": 9.5, "again": 5.7}


@dataclass(frozen=True)
class TakeNeeds:
    """The memory needs of a take; see memory.policy.MemoryNeeds.

    clip: frames and latent cells (F, h, w). deepest_block: the number of the last up block whose attention is guided,
    None in plain generation. controls: their number.
    """

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
        """Returns the bytes of attention matrices. A chunked layer holds those of one chunk at a time."""
        shape, frames, cells = self.shape, self.clip[0], self.clip[1] * self.clip[2]
        row = cells * shape.width * shape.number_bytes
        chunk = max(1, policy.chunk_bytes // row) if policy.chunk_bytes else 2 * frames
        most = ATTENTION_MATRICES["plain"] * min(chunk, frames if policy.separate_prompts else 2 * frames)
        if self.deepest_block is not None:
            kind = "kept" if policy.recompute == "nothing" else "again"
            most = max(most, ATTENTION_MATRICES[kind] * min(chunk, frames))
        return round(most * shape.heads * cells**2 * shape.number_bytes)


def up_block(name: str) -> int:
    """Returns the number of an up block; 0 for the down blocks and the mid block."""
    return int(name.removeprefix("up_blocks.")) if name.removeprefix("up_blocks.").isdigit() else 0
