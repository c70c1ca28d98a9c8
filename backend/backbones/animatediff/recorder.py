"""Records what the attention layers of a UNet compute in a forward pass, and restores the UNet afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from ...job_folder.problem import Problem
from ..base import SPATIAL, TEMPORAL, TEXT, AttentionRecord
from .attention import ExplicitAttention

BLOCK = "up_blocks.1"  # its attention to the prompt locates objects
KINDS: dict[str, tuple[str, Callable[[str], bool]]] = {
    TEMPORAL: ("temporal attention", lambda name: ".motion_modules." in name),
    SPATIAL: ("spatial self-attention", lambda name: ".attentions." in name and name.endswith(".attn1")),
    TEXT: ("attention to the prompt", lambda name: ".attentions." in name and name.endswith(".attn2")),
}


def attention_layers(unet: nn.Module, kind: str, blocks: Sequence[str] = (BLOCK,)) -> list[str]:
    """Returns the names of the attention layers of a kind (see backbones.base) in `blocks`, such as 'up_blocks.1'.

    Raises Problem if a block has none.
    """
    what, wanted = KINDS[kind]
    names = [name.removesuffix(".processor") for name in unet.attn_processors]
    layers: list[str] = []
    for block in blocks:
        found = [name for name in names if name.startswith(block + ".") and wanted(name)]
        if not found:
            raise Problem(
                "The model has no {what} in {block}, a block in guidance_blocks or semantic_blocks.",
                "Choose blocks that have it, such as up_blocks.1.",
            ).about(what=what, block=repr(block))
        layers += found
    return layers


@contextmanager
def recording(
    unet: nn.Module,
    layers: Sequence[str] = (),
    keys: Sequence[str] = (),
    on_complete: Callable[[], None] = lambda: None,
) -> Iterator[AttentionRecord]:
    """Records the probabilities of `layers` and the keys of `keys` in each forward pass within the block.

    on_complete: called when the last of them is recorded. It may stop the pass by an exception or turn off autograd.
    The UNet is restored at the end of the block, also after an error.
    """
    recorded = AttentionRecord()

    def keep(kind: dict[str, Tensor], layer: str, value: Tensor) -> None:
        kind[layer] = value
        if len(recorded) == len(layers) + len(keys):
            on_complete()

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
        unet.set_attn_processor(dict(previous))  # a copy: diffusers empties the dictionary
