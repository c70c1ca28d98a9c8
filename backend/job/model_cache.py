"""The model that stays loaded between jobs: at most one, because GPU memory is the scarcest resource."""

from __future__ import annotations

import torch

from ..backbones.base import Backbone
from ..backbones.loading import load_backbone
from ..memory.device import free_unused_memory
from ..models.entry import ModelEntry


class ModelCache:
    """In the place of `load_backbone`: what was loaded last is handed out again if it is what is asked for."""

    def __init__(self) -> None:
        self._model: Backbone | None = None
        self._key: tuple | None = None

    @property
    def name(self) -> str | None:
        """Of the model that is loaded; None when there is none."""
        return self._model.entry.name if self._model else None

    def load(self, entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Backbone:
        """As load_backbone. Files that were replaced meanwhile are read again; another model goes first."""
        key = (entry, device, dtype, _stamps(entry))
        if self._model is None or key != self._key:
            self.unload()
            self._model, self._key = load_backbone(entry, device, dtype), key
        return self._model

    def unload(self) -> None:
        self._model = self._key = None
        free_unused_memory()


def _stamps(entry: ModelEntry) -> list[tuple[str, int, int]]:
    """Size and time of change of each file; missing ones are for load_backbone to name."""
    states = {name: path.stat() for name, path in entry.weight_files().items() if path.exists()}
    return sorted((name, state.st_size, state.st_mtime_ns) for name, state in states.items())
