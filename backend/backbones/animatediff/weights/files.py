"""Opens weight files by their content: safetensors, or PyTorch's format if it contains no executable code."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ....job_folder.problem import Problem
from ....job_folder.reading import UnfitFile, check_regular, open_regular, parse_json

PYTORCH = (".ckpt", ".pt", ".pth", ".bin")
WRAPPERS = ("state_dict", "controlnet", "string_to_param")  # keys under which training scripts store the weights
MAX_HEADER_BYTES = 16_000_000  # the header of a complete SD1.5 checkpoint has less than a million
AGAIN = "It may be an incomplete download: download or copy it again."
SCALES = re.compile(
    r"(^|\.)(scale_weight|scale_input|weight_scale(_inv)?|input_scale|scaled_fp8|comfy_quant)$"
    r"|\.(nested_)?(absmax|quant_map)$|\.quant_state\."
)
PREDICTION = ("v_pred", "ztsnr")  # tensors that mark checkpoints with another kind of prediction
WANT_NOISE = (
    "Choose a model that predicts noise (epsilon), like those that AnimateDiff's motion modules are trained with."
)
FOREIGN = {
    b"PK\x03\x04": "a PyTorch file with another name",
    b"\x80": "a pickled PyTorch file with another name",
    b"<": "a web page, not weights",
    b"version https://git-lfs": "only a Git LFS pointer, not the weights",
    b"GGUF": "a GGUF file",
}


@dataclass(frozen=True)
class WeightFile:
    """An opened weight file.

    setting: the entry's key of the file. shapes: of all tensors, by name. tensors: reads all tensors, memory-mapped.
    integers: the names of the tensors of integers.
    """

    setting: str
    path: Path
    shapes: dict[str, tuple[int, ...]]
    tensors: Callable[[], dict[str, Tensor]]
    metadata: dict[str, str] = field(default_factory=dict)
    integers: tuple[str, ...] = ()

    def refuse(self, found: str, hint: str) -> Problem:
        return refusal(self.setting, self.path, found, hint)


def refusal(setting: str, path: Path, found: str, hint: str) -> Problem:
    """Returns the error about a file, always in the same form: setting, file, what it is, and what to do."""
    return Problem("{setting}: {path} {found}.", hint).about(setting=setting, path=path, found=found)


def open_weights(path: Path, setting: str) -> WeightFile:
    """Opens a weight file and reads only its header (the index of a PyTorch file).

    Raises Problem if the file is damaged, unsafe or in another format, or if its numbers have another meaning, such as
    quantized weights.
    """
    file = _opened(path, setting)
    _check_meaning(file)
    return file


def _check_meaning(file: WeightFile) -> None:
    marks = [mark for mark in PREDICTION if mark in file.shapes]
    said = file.metadata.get("modelspec.prediction_type", "epsilon").lower()
    if marks or said not in ("", "eps", "epsilon"):
        found = f"is for {said}-prediction" if said[:1] == "v" or not marks else "is for v-prediction"
        zero = " with zero terminal SNR" if "ztsnr" in marks else ""
        raise file.refuse(f"{found}{zero} (it says {', '.join(marks) or 'prediction_type ' + said})", WANT_NOISE)
    scales = [name for name in file.shapes if SCALES.search(name)]
    integers = [name for name in file.integers if name.endswith((".weight", ".bias"))]
    if found := scales or integers:
        kind = "8-bit weights with separate scales" if scales else "weights that are quantized to integers"
        raise file.refuse(f"holds {kind}, such as {found[0]}", "Choose the file's fp16, bf16 or fp32 version.")


def _opened(path: Path, setting: str) -> WeightFile:
    try:
        size = check_regular(path).st_size
        with open_regular(path) as file:
            start = file.read(32)
    except UnfitFile as error:
        raise refusal(setting, path, f"is {error.strerror}", "Choose a .safetensors file.") from None
    except OSError as error:
        raise refusal(setting, path, f"cannot be read ({error.strerror})", "Check the path.") from None
    if start[8:9] == b"{":
        return _open_safetensors(path, setting, size)
    if path.suffix.lower() in PYTORCH and not start.startswith((b"<", b"version ", b"GGUF")):
        return _open_pytorch(path, setting)
    kind = next((kind for magic, kind in FOREIGN.items() if start.startswith(magic)), "not a safetensors file")
    raise refusal(setting, path, f"is {kind}", "Choose a .safetensors file, or download it again.")


def _open_safetensors(path: Path, setting: str, size: int) -> WeightFile:
    try:
        with open_regular(path) as file:
            length = int.from_bytes(file.read(8), "little")
            if length > size - 8:
                raise refusal(setting, path, "is truncated inside its header", AGAIN)
            if length > MAX_HEADER_BYTES:
                found = f"has a header of {length:,} bytes, more than the {MAX_HEADER_BYTES:,} that are read"
                raise refusal(setting, path, found, "Convert it again with less metadata.")
            header: dict[str, Any] = parse_json(file.read(length).rstrip(b" "))
        metadata = _text_metadata(header.pop("__metadata__", {}))
        shapes = {name: tuple(entry["shape"]) for name, entry in header.items()}
        integers = [name for name, entry in header.items() if entry["dtype"][0] not in "FB" or entry["dtype"] == "BOOL"]
        end = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise refusal(setting, path, "has a damaged safetensors header", AGAIN) from None
    if size != end:
        raise refusal(setting, path, f"is {'truncated' if size < end else 'too long'}: {size} bytes of {end}", AGAIN)
    if not shapes:
        raise refusal(setting, path, "contains no tensors", AGAIN)
    names = _without_wrapping(list(shapes))
    return WeightFile(
        setting,
        path,
        {names[name]: shape for name, shape in shapes.items()},
        lambda: {names[name]: tensor for name, tensor in load_file(path).items()},
        metadata,
        tuple(names[name] for name in integers),
    )


def _text_metadata(metadata: Any) -> dict[str, str]:
    """Returns the metadata of a header. Raises TypeError if it is not text."""
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise TypeError
    return metadata


def _open_pytorch(path: Path, setting: str) -> WeightFile:
    """Unpickles only tensors and plain containers. A file with anything else is refused unread."""
    try:
        content = _load_pytorch(path)
    except Exception as error:  # PyTorch raises many types; report each as an unread file
        if type(error).__name__ == "UnpicklingError" and "weights_only" in str(error):
            sure = re.search(r"unsupported (global|class)|trying to", str(error), re.IGNORECASE)
            found = "contains pickled code besides its weights" if sure else "is damaged or contains more than weights"
            hint = "Convert it to .safetensors with a tool you trust, or get the .safetensors version of it."
            raise refusal(setting, path, f"{found}, and was not opened", hint) from None
        raise refusal(setting, path, "is a damaged PyTorch file", AGAIN) from None
    while isinstance(content, dict) and (inner := next((key for key in WRAPPERS if key in content), None)):
        content = content[inner]
    tensors = {k: v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, dict) else {}
    if not tensors:
        raise refusal(setting, path, "contains no tensors", "Choose a file of weights.")
    names = _without_wrapping(list(tensors))
    tensors = {names[name]: tensor for name, tensor in tensors.items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    integers = tuple(name for name, tensor in tensors.items() if not tensor.is_floating_point())
    return WeightFile(setting, path, shapes, lambda: dict(tensors), integers=integers)


def _load_pytorch(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError as error:
        if "mmap" not in str(error):
            raise
        return torch.load(path, map_location="cpu", weights_only=True)  # PyTorch's old format cannot be memory-mapped


def _without_wrapping(names: list[str]) -> dict[str, str]:
    """Maps each name to the name without the prefix "module." of data-parallel training."""
    wrapped = all(name.startswith("module.") for name in names)
    return {name: name.removeprefix("module.") if wrapped else name for name in names}
