"""Loads whichever family a model entry is of."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..models.entry import ModelEntry
from .animatediff import tokens
from .animatediff.backbone import load_animatediff
from .base import Backbone


def load_backbone(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Backbone:
    """dtype: of the network that predicts. JobError names what is missing, damaged, or of another architecture."""
    return load_animatediff(entry, device, dtype)


def check_prompts(entry: ModelEntry, texts: Sequence[str]) -> None:
    """JobError when the model cannot read one of them as it is, told without loading the model."""
    tokens.check_prompts(entry, texts)
