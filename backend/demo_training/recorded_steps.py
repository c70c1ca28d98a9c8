"""Training steps that a GPU replays as one recorded graph, because launching thousands of small kernels takes longer
than running them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Batch = tuple[Tensor, ...]
Figures = dict[str, Tensor]
EAGER_STEPS = 3  # of each shape, before its step is recorded: libraries choose their kernels in them


@dataclass
class _Recorded:
    graph: torch.cuda.CUDAGraph
    batch: Batch  # is filled for each replay
    figures: Figures  # is overwritten by each replay


class RecordedSteps:
    """A training step, recorded once per shape of its batch and then replayed.

    train: draws its random numbers on the GPU, and never waits for it. If a shape cannot be recorded, its steps run as
    they are.
    """

    def __init__(self, train: Callable[..., Figures]):
        self._train = train
        self._recorded: dict[tuple[torch.Size, ...], _Recorded | None] = {}
        self._steps: dict[tuple[torch.Size, ...], int] = {}
        self._pool = torch.cuda.graph_pool_handle()  # the graphs never run at once and share their memory

    def __call__(self, *batch: Tensor) -> Figures:
        shape = tuple(tensor.shape for tensor in batch)
        self._steps[shape] = self._steps.get(shape, 0) + 1
        if self._steps[shape] <= EAGER_STEPS:
            return self._train(*batch)
        if shape not in self._recorded:
            self._recorded[shape] = self._record(batch)
        recorded = self._recorded[shape]
        if recorded is None:
            return self._train(*batch)
        for kept, new in zip(recorded.batch, batch):
            kept.copy_(new)
        recorded.graph.replay()
        return recorded.figures

    def _record(self, batch: Batch) -> _Recorded | None:
        kept, graph = tuple(tensor.clone() for tensor in batch), torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=torch.cuda.current_stream()):
                figures = self._train(*kept)
        except RuntimeError as error:
            torch.cuda.synchronize()
            print(f"A step could not be recorded, so training is slower: {error}", flush=True)
            return None
        return _Recorded(graph, kept, figures)
