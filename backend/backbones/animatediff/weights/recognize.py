"""Detects what a file contains from the names and shapes of its tensors, so that an error can say what it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

Shapes = Mapping[str, tuple[int, ...]]

LORA = re.compile(r"lora_(down|up|A|B)\b|[._]lora\.(down|up)\.|lora_linear_layer\.")
# Other formats that have characteristic names: mostly adapters that compute their change differently from a LoRA.
RELATIVES = {
    r"\.hada_": "LoHa",
    r"\.lokr_": "LoKr",
    r"\.(oft_|boft_)": "OFT",
    r"\.dora_scale|\.lora_magnitude_vector": "DoRA",
    r"\.lora_mid": "LoCon with a Tucker core",
    r"\.(diff|diff_b|w_norm|b_norm)$": "LyCORIS file of whole differences",
    r"\.(a1|a2|b1|b2)\.weight$": "GLoRA",
    r"\.on_input$": "IA3",
    r"(^|\.)lora_controlnet$": "Control-LoRA",
    r"^(adapter\.)?body\.": "T2I-Adapter",
    r"^image_proj\.": "IP-Adapter",
}
WIDTHS = {
    768: "SD1.5",
    1024: "SD2.x",
    1280: "SDXL refiner",
    2048: "SDXL",
}  # of the text embeddings that cross-attention reads
INPUTS = {4: "", 5: "depth-to-image ", 8: "InstructPix2Pix ", 9: "inpainting "}
EMA_ONLY = "checkpoint of averaged (EMA) weights only"
TRANSFORMERS = {
    "joint_blocks.": "SD3",
    "joint_transformer_blocks": "SD3",
    "double_blocks": "Flux",
    "single_transformer_blocks": "Flux",
    "blocks.0.cross_attn.": "Wan",
}


@dataclass(frozen=True)
class Found:
    """What a file contains.

    kind: the kind of file. family: the models it is for, "" if unknown. width: of the text embeddings it reads.
    """

    kind: str
    family: str = ""
    width: int | None = None

    def __str__(self) -> str:
        words = f"{self.family} {self.kind}".strip()
        return f"{'an' if words.startswith(('SD', 'i', 'I', 'OFT')) else 'a'} {words}"


def recognize(shapes: Shapes) -> Found:
    """Returns what a file with these tensors contains. The kind is "file of unknown kind" if nothing matches."""
    names = list(shapes)
    if kind := next((kind for part, kind in RELATIVES.items() if any(re.search(part, n) for n in names)), ""):
        return Found(kind)
    if any(LORA.search(name) for name in names):
        return _adapter(shapes)
    if any("motion_modules." in name or ".temporal_attentions." in name for name in names):
        return _with_motion(shapes)
    if any(name.startswith(("control_model.", "controlnet_", "input_hint_block", "zero_convs")) for name in names):
        return Found("ControlNet of differences" if "difference" in shapes else "ControlNet", _family(shapes))
    if family := next((family for part, family in TRANSFORMERS.items() for name in names if part in name), ""):
        return Found("checkpoint", family)
    if any(name.startswith(("model.diffusion_model.", "conditioner.")) for name in names):
        return _checkpoint(shapes)
    if "conv_in.weight" in shapes and any(name.startswith("down_blocks.") for name in names):
        family = _inputs(shapes, "conv_in.weight") + _family(shapes)
        return Found("diffusers UNet", family.strip(), _width(shapes))
    return _smaller(shapes)


def _smaller(shapes: Shapes) -> Found:
    """Recognizes a file without a UNet."""
    if any(name.startswith("model_ema.") for name in shapes):
        return Found(EMA_ONLY)
    if decoder := next((n for n in shapes if n.endswith("decoder.conv_in.weight") and len(shapes[n]) == 4), None):
        channels = shapes[decoder][1]
        return Found("VAE", "" if channels == 4 else f"{channels}-channel")
    if any("embeddings.token_embedding.weight" in name for name in shapes):
        return Found("text encoder")
    if "clip_g" in shapes:
        return Found("textual inversion", "SDXL")
    if len(shapes) == 1 and _is_inversion(*shapes.items()):
        family = WIDTHS.get(next(iter(shapes.values()))[-1], "")
        return Found("textual inversion", family if family != "SD1.5" else "")
    if "input_blocks.0.0.weight" in shapes:
        family = _inputs(shapes, "input_blocks.0.0.weight") + _family(shapes)
        return Found("UNet without text encoder and VAE", family.strip())
    return Found("file of unknown kind")


def _is_inversion(named: tuple[str, tuple[int, ...]]) -> bool:
    name, shape = named
    return len(shape) in (1, 2) and (name in ("emb_params", "*", "clip_l") or name[0] == "<" or shape[-1] in WIDTHS)


def _adapter(shapes: Shapes) -> Found:
    if all("motion_modules" in name for name in shapes if LORA.search(name)):
        return Found("motion LoRA")
    return Found("LoRA", _lora_family(shapes))


def _lora_family(shapes: Shapes) -> str:
    if family := next((family for part, family in TRANSFORMERS.items() if any(part[:-1] in n for n in shapes)), ""):
        return family
    if any(re.search(r"lora_te2_|text_encoder_2\.|transformer_blocks[._][1-9]", name) for name in shapes):
        return "SDXL"
    return _family(shapes)


def _with_motion(shapes: Shapes) -> Found:
    if any(".temporal_attentions." in name for name in shapes):
        return Found("motion module", "Hotshot-XL")
    if any(name.startswith(("controlnet_", "input_hint_block")) for name in shapes):
        return Found("SparseCtrl model")
    if shapes.get("conv_in.weight", (0, 0))[1] == 9:
        return Found("PIA motion module")
    return Found("motion module")


def _checkpoint(shapes: Shapes) -> Found:
    if any(name.startswith("conditioner.") for name in shapes):
        return Found("checkpoint", "SDXL")
    family = _inputs(shapes, "model.diffusion_model.input_blocks.0.0.weight") + _family(shapes)
    return Found("checkpoint", family.strip(), _width(shapes))


def _inputs(shapes: Shapes, first_layer: str) -> str:
    channels = shapes.get(first_layer, (0, 4))[1]
    return INPUTS.get(channels, f"{channels}-channel ")


def _family(shapes: Shapes) -> str:
    return WIDTHS.get(_width(shapes) or 0, "")


def _width(shapes: Shapes) -> int | None:
    """Returns the width of the text embeddings that cross-attention reads: the input width of its keys."""
    keys = re.compile(r"attn2[._](processor\.)?to_k(\.weight|_lora\.down\.weight|\.lora_(down|A)\.weight|\.lora\.down)")
    return next((shape[1] for name, shape in shapes.items() if keys.search(name) and len(shape) >= 2), None)
