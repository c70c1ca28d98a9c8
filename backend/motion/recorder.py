"""Records what a UNet's attention layers compute in a pass, and leaves no trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import Tensor, nn

from ..errors import JobError
from .attention import ExplicitAttention

AttentionMaps = dict[str, Tensor]  # layer name -> probabilities [batch, heads, queries, keys], float32


@dataclass
class Recorded:
    """maps: probabilities, of temporal attention [h'*w', heads, F, F]; keys: before heads are split, of temporal
    attention [h'*w', F, C], of spatial attention [F, h'*w', C]."""

    maps: AttentionMaps = field(default_factory=dict)
    keys: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.maps) + len(self.keys)


def temporal_attention_layers(unet: nn.Module, blocks: Sequence[str]) -> list[str]:
    """Names of the temporal self-attentions in `blocks` ('up_blocks.1'), without diffusers' '.processor' ending.

    JobError names a block that has none.
    """
    return _layers(unet, blocks, lambda name: ".motion_modules." in name, "temporal attention")


def spatial_attention_layers(unet: nn.Module, blocks: Sequence[str]) -> list[str]:
    """Names of the spatial self-attentions in `blocks`."""
    return _layers(unet, blocks, lambda n: ".attentions." in n and n.endswith(".attn1"), "spatial self-attention")


def cross_attention_layers(unet: nn.Module, blocks: Sequence[str]) -> list[str]:
    """Names of the attentions to the prompt in `blocks`."""
    return _layers(unet, blocks, lambda n: ".attentions." in n and n.endswith(".attn2"), "attention to the prompt")


def _layers(unet: nn.Module, blocks: Sequence[str], wanted: Callable[[str], bool], what: str) -> list[str]:
    names = [name.removesuffix(".processor") for name in unet.attn_processors]
    layers: list[str] = []
    for block in blocks:
        found = [name for name in names if name.startswith(block + ".") and wanted(name)]
        if not found:
            raise JobError(
                f"The model has no {what} in {block!r}, which guidance_blocks or semantic_blocks names.",
                "Name blocks that have it, such as up_blocks.1.",
            )
        layers += found
    return layers


@contextmanager
def recording(
    unet: nn.Module,
    layers: Sequence[str] = (),
    keys: Sequence[str] = (),
    when_complete: Callable[[], None] = lambda: None,
) -> Iterator[Recorded]:
    """Within the block, each pass puts the probabilities of `layers` and the keys of `keys` into what it yields.

    when_complete is called when the last of them has come: there a pass can be stopped, or freed of its gradient.
    The UNet is put back as it was, also after an error.
    """
    recorded = Recorded()

    def keep(kind: dict[str, Tensor], layer: str, value: Tensor) -> None:
        kind[layer] = value
        if len(recorded) == len(layers) + len(keys):
            when_complete()

    def map_keeper(layer: str) -> ExplicitAttention:
        return ExplicitAttention(lambda probabilities: keep(recorded.maps, layer, probabilities))

    def key_keeper(layer: str) -> Callable[..., None]:
        return lambda _module, _inputs, output: keep(recorded.keys, layer, output)

    previous = dict(unet.attn_processors)
    unet.set_attn_processor(previous | {f"{layer}.processor": map_keeper(layer) for layer in layers})
    hooks = [unet.get_submodule(f"{layer}.to_k").register_forward_hook(key_keeper(layer)) for layer in keys]
    try:
        yield recorded
    finally:
        for hook in hooks:
            hook.remove()
        unet.set_attn_processor(dict(previous))  # diffusers empties the dictionary it is given
