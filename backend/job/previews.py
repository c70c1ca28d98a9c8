"""Previews of a take during sampling: from time to time a strip of a few small frames, at little cost.

If the model entry names a tiny VAE, it decodes the estimated clean latents of the last step. Otherwise the VAE decodes
one frame, a linear map from latents to colors is fitted to it, and the map shows the other frames. Fitted to the take
itself, the map knows its present colors; a map fitted to the reference clip would not, because a blockout is gray.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..backbones.base import Backbone
from ..clips import fit, to_frames
from ..errors import Cancelled
from ..job_folder.pictures import png
from ..job_folder.problem import Sentence
from ..memory.device import is_out_of_memory
from ..sampling.state import SamplerState
from .progress import Progress

FRAMES = 4
AREA = 96 * 128  # pixels of each frame, so that a strip always fits into one message
SHARE = 0.02  # of the sampling time so far that previews may use
SECONDS = 1.0  # the minimum time between two previews


class Previews:
    """The previews of one take, as a function to call after each step."""

    def __init__(
        self, model: Backbone, size: tuple[int, int], progress: Progress, note: Callable[[str], None] | None = None
    ):
        """size: (H, W) of the frames in pixels. note: receives the reason if previews end early."""
        self._note = note or progress.note
        scale = (AREA / (size[0] * size[1])) ** 0.5
        self._size = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
        self._model, self._progress = model, progress
        self._began = self._ended = time.monotonic()
        self.seconds = self._last_cost = 0.0
        self._given_up = False

    def __call__(self, state: SamplerState) -> None:
        """Shows the clip in `state` if a preview is due."""
        now = time.monotonic()
        over_budget = self.seconds + self._last_cost > SHARE * (now - self._began)
        if self._given_up or over_budget or now - self._ended < SECONDS:
            return
        try:
            self._progress.preview(self._strip(state["clean"]))
        except Cancelled:
            raise
        except Exception as error:  # only a preview: the take itself may be right
            self._give_up(error)
        self._ended = time.monotonic()
        self._last_cost = self._ended - now
        self.seconds += self._last_cost

    def _give_up(self, error: Exception) -> None:
        self._given_up = True
        if is_out_of_memory(error):
            self._note("There is not enough memory for previews; this job shows no more of them.")
        else:
            traceback.print_exception(error)
            self._note(Sentence("This job shows no more previews, because one failed: {reason}.", reason=repr(error)))

    def _strip(self, clean: Tensor) -> bytes:
        """Returns the strip of clean latents [1, C, F, h, w] as PNG."""
        indices = torch.linspace(0, clean.shape[2] - 1, min(FRAMES, clean.shape[2])).round().long()
        chosen = clean[:, :, indices.to(clean.device)]
        pixels = self._model.decode_preview(chosen)
        if pixels is None:
            pixels = self._by_linear_map(chosen)
        frames = fit(to_frames(pixels), self._size)
        strip = np.ascontiguousarray(np.concatenate(list(frames), 1))
        return png(strip.tobytes(), strip.shape[1], strip.shape[0])

    def _by_linear_map(self, latents: Tensor) -> Tensor:
        """Decodes latents [1, C, n, h, w] approximately as pixels [n, 3, h, w], about in -1..1."""
        middle = latents.shape[2] // 2
        decoded = self._model.decode(latents[:, :, middle : middle + 1])
        colors = functional.adaptive_avg_pool2d(decoded, latents.shape[-2:])
        cells = _cells(latents[0].transpose(0, 1))
        # In float64 on the CPU: its solver also handles a frame of a single color.
        mapping = torch.linalg.lstsq(cells[middle], _to_float64(colors[0].flatten(1).T), driver="gelsd").solution
        return (cells @ mapping).transpose(1, 2).unflatten(2, latents.shape[-2:]).float()


def _cells(latents: Tensor) -> Tensor:
    """Reshapes latents [n, C, h, w] to [n, h * w, C + 1]. The last column is 1, for the constant of the map."""
    cells = _to_float64(latents.flatten(2).transpose(1, 2))
    return torch.cat([cells, torch.ones_like(cells[..., :1])], -1)


def _to_float64(numbers: Tensor) -> Tensor:
    """Moves to the CPU first: Apple's GPUs have no float64."""
    return numbers.cpu().double()
