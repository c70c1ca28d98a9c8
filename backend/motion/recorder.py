"""Records a UNet's temporal self-attention and leaves no trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from ..errors import JobError
from .attention import ExplicitAttention

AttentionMaps = dict[str, Tensor]  # layer name -> probabilities [h'*w', heads, F, F]


def temporal_attention_layers(unet: nn.Module, blocks: Sequence[str]) -> list[str]:
    """Names of the temporal self-attentions in `blocks` ('up_blocks.1'), without diffusers' '.processor' ending.

    JobError names a block that has none.
    """
    layers: list[str] = []
    for block in blocks:
        found = [
            name.removesuffix(".processor")
            for name in unet.attn_processors
            if name.startswith(block + ".") and ".motion_modules." in name
        ]
        if not found:
            raise JobError(
                f"The model has no temporal attention in {block!r}, which guidance_blocks names.",
                "Name blocks that have motion modules, such as up_blocks.1.",
            )
        layers += found
    return layers


@contextmanager
def recording(unet: nn.Module, layers: Sequence[str], when_complete: Callable[[], None]) -> Iterator[AttentionMaps]:
    """Within the block, each forward pass puts the probabilities of `layers` into the yielded maps.

    when_complete is called when the last of them has come: there a pass can be stopped, or freed of its gradient.
    The processors are put back as they were, also after an error.
    """
    maps: AttentionMaps = {}

    def keeper(layer: str) -> ExplicitAttention:
        def keep(probabilities: Tensor) -> None:
            maps[layer] = probabilities
            if len(maps) == len(layers):
                when_complete()

        return ExplicitAttention(keep)

    previous = dict(unet.attn_processors)
    unet.set_attn_processor(previous | {f"{layer}.processor": keeper(layer) for layer in layers})
    try:
        yield maps
    finally:
        unet.set_attn_processor(dict(previous))  # diffusers empties the dictionary it is given
