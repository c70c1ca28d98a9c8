"""Random LoRAs in every layout; see weight_formats."""

from __future__ import annotations

import re

import torch

Tensors = dict[str, torch.Tensor]


def random_lora(module: torch.nn.Module, layers: list[str], rank: int = 3, seed: int = 0) -> dict[str, tuple]:
    """Returns (up, down) of each layer, as after training: for a convolution the kernel size of up is 1."""
    generator = torch.Generator().manual_seed(seed)
    halves = {}
    for layer in layers:
        shape = module.get_submodule(layer).weight.shape
        ones = (1,) * (len(shape) - 2)
        up = torch.randn(shape[0], rank, *ones, generator=generator)
        halves[layer] = up, torch.randn(rank, *shape[1:], generator=generator)
    return halves


def kohya(start: str, halves: dict[str, tuple], alpha: float | None = None) -> Tensors:
    """start: "lora_unet_" or "lora_te_text_model_"."""
    tensors = {}
    for layer, (up, down) in halves.items():
        name = start + layer.replace(".", "_")
        tensors |= {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down}
        tensors |= {} if alpha is None else {f"{name}.alpha": torch.tensor(alpha)}
    return tensors


def attention_processors(start: str, halves: dict[str, tuple]) -> Tensors:
    """diffusers' old layout. AnimateDiff's domain adapter also uses it (with start "")."""
    tensors = {}
    for layer, (up, down) in halves.items():
        attention, _, last = layer.removesuffix(".0").rpartition(".")
        tensors[f"{start}{attention}.processor.{last}_lora.up.weight"] = up
        tensors[f"{start}{attention}.processor.{last}_lora.down.weight"] = down
    return tensors


def peft(start: str, halves: dict[str, tuple]) -> Tensors:
    """diffusers' current layout."""
    tensors = {f"{start}{layer}.lora_B.weight": up for layer, (up, _) in halves.items()}
    return tensors | {f"{start}{layer}.lora_A.weight": down for layer, (_, down) in halves.items()}


def original_motion_lora(halves: dict[str, tuple]) -> Tensors:
    """The layout of AnimateDiff's motion LoRAs."""
    tensors = {}
    for name, tensor in attention_processors("", halves).items():
        name = re.sub(r"(motion_modules\.\d+)", r"\1.temporal_transformer", name)
        name = name.replace(".attn1", ".attention_blocks.0").replace(".attn2", ".attention_blocks.1")
        tensors[name] = tensor
    return tensors
