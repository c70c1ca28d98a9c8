"""The recorded numbers of the official code: where they are, and how to read them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from torch import Tensor

FOLDER = Path(os.environ.get("MOTIONCLONE_REFERENCE_VECTORS") or Path(__file__).parents[1] / "reference")


def files(pattern: str) -> list[Any]:
    """Returns all files with this prefix. A folder without any is an error, not an empty test."""
    found = sorted(FOLDER.glob(pattern))
    assert found, f"{FOLDER} holds no {pattern}: set MOTIONCLONE_REFERENCE_VECTORS to a folder that does."
    return [pytest.param(path, id=path.stem) for path in found]


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        return tensors, file.metadata()


def settings(metadata: dict[str, str]) -> dict[str, Any]:
    return json.loads(metadata["settings"])
