"""Loads the model family that a model entry belongs to."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..models.model_entry import ModelEntry
from .animatediff import tokens
from .animatediff.backbone import load_animatediff
from .base import Backbone


def load_backbone(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Backbone:
    """Loads a model onto `device`.

    dtype: of the denoising network. Raises Problem for files that are missing, damaged or of another architecture.
    """
    return load_animatediff(entry, device, dtype)


def check_prompts(entry: ModelEntry, texts: Sequence[str]) -> None:
    """Raises Problem if the model cannot read one of the prompts, such as one that is too long.

    Loads the tokenizer only, not the model.
    """
    tokens.check_prompts(entry, texts)
