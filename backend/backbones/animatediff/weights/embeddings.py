"""Textual inversions (arXiv:2208.01618): vectors that replace `embedding:name` in the input of the text encoder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ....job_folder.problem import Problem
from .files import open_weights, refusal
from .recognize import WIDTHS, recognize

EXPECTED = "It must be a textual inversion for SD1.5."


def load_embeddings(files: Mapping[str, Path]) -> dict[str, Tensor]:
    """Returns the vectors [n, C], float32, of each file by name. Raises Problem if a file is no textual inversion."""
    return {name: _read(name, path) for name, path in files.items()}


def check_width(embeddings: Mapping[str, Tensor], files: Mapping[str, Path], width: int) -> None:
    """Raises Problem if one is not for a text encoder of this width."""
    for name, vectors in embeddings.items():
        if (size := vectors.shape[1]) != width:
            given = f"{size} ({WIDTHS[size]})" if size in WIDTHS else str(size)
            found = f"is a textual inversion of width {given}; the model's text encoder has {width}"
            raise refusal(f"embedding:{name}", files[name], found, EXPECTED)


def _read(name: str, path: Path) -> Tensor:
    file = open_weights(path, f"embedding:{name}")
    found = recognize(file.shapes)
    if found.kind != "textual inversion" or found.family not in ("", "SD1.5"):
        raise file.refuse(f"is {found}", EXPECTED)
    (vectors,) = file.tensors().values()
    vectors = vectors.float().reshape(-1, vectors.shape[-1])
    if not len(vectors) or not vectors.isfinite().all():
        raise _damaged(name, path)
    return vectors


def _damaged(name: str, path: Path) -> Problem:
    return refusal(f"embedding:{name}", path, "contains no usable vectors", "Download or copy it again.")
