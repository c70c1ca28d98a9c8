"""Keeps a model loaded between jobs: only one, because GPU memory is the scarcest resource."""

from __future__ import annotations

import torch

from ..backbones.base import Backbone
from ..backbones.loading import load_backbone
from ..memory.device import free_unused_memory
from ..models.model_entry import ModelEntry


class ModelCache:
    """A cache around `load_backbone` that keeps the last loaded model."""

    def __init__(self) -> None:
        self._model: Backbone | None = None
        self._key: tuple | None = None

    @property
    def name(self) -> str | None:
        """The name of the loaded model, None if there is none."""
        return self._model.entry.name if self._model else None

    def load(self, entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Backbone:
        """Like `load_backbone`. A model whose files have changed is loaded again. Another model is unloaded first."""
        key = (entry, device, dtype, _stamps(entry))
        if self._model is None or key != self._key:
            self.unload()
            self._model, self._key = load_backbone(entry, device, dtype), key
        return self._model

    def unload(self) -> None:
        """Frees the memory of the loaded model."""
        self._model = self._key = None
        free_unused_memory()


def _stamps(entry: ModelEntry) -> list[tuple[str, int, int]]:
    """Returns size and modification time of each file. load_backbone reports missing files."""
    states = {name: path.stat() for name, path in entry.weight_files().items() if path.exists()}
    return sorted((name, state.st_size, state.st_mtime_ns) for name, state in states.items())
