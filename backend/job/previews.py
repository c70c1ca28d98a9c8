"""What a take looks like while it is sampled: a strip of a few small frames, now and then, at little cost.

A tiny VAE, where the model's entry names one, decodes the clean latents as the last step estimates them. Without it,
the VAE decodes a single frame, and the linear map from latents to colours that fits this frame best shows the others:
so it knows the colours that this very take has by now. A map that is fitted to the reference clip would not, because a
blockout is grey.
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
from ..memory.device import is_out_of_memory
from ..sampling.state import SamplerState
from .progress import Progress

FRAMES = 4
AREA = 96 * 128  # pixels of each frame, so that a strip is never larger than one piece on the wire
SHARE = 0.02  # of the time of sampling so far, which previews may have taken
SECONDS = 1.0  # at least, from one to the next


class Previews:
    """Of one take; call it after each step."""

    def __init__(
        self, model: Backbone, size: tuple[int, int], progress: Progress, note: Callable[[str], None] | None = None
    ):
        """size (H, W): of the clip's frames in pixels; note: is told why there are no more of them."""
        self._note = note or progress.note
        scale = (AREA / (size[0] * size[1])) ** 0.5
        self._size = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
        self._model, self._progress = model, progress
        self._began = self._ended = time.monotonic()
        self.seconds = self._last_cost = 0.0
        self._given_up = False

    def __call__(self, state: SamplerState) -> None:
        """Shows the clip as it is in `state` if it is time for that."""
        now = time.monotonic()
        too_dear = self.seconds + self._last_cost > SHARE * (now - self._began)
        if self._given_up or too_dear or now - self._ended < SECONDS:
            return
        try:
            self._progress.preview(self._strip(state["clean"]))
        except Cancelled:
            raise
        except Exception as error:  # only a picture: whatever is wrong with it, the take may well be right
            self._give_up(error)
        self._ended = time.monotonic()
        self._last_cost = self._ended - now
        self.seconds += self._last_cost

    def _give_up(self, error: Exception) -> None:
        self._given_up = True
        if is_out_of_memory(error):
            self._note("There is no memory to spare for previews; this job shows no more of them.")
        else:
            traceback.print_exception(error)
            self._note(f"This job shows no more previews, because one failed: {error!r}.")

    def _strip(self, clean: Tensor) -> bytes:
        """clean [1, C, F, h, w] -> PNG."""
        indices = torch.linspace(0, clean.shape[2] - 1, min(FRAMES, clean.shape[2])).round().long()
        chosen = clean[:, :, indices.to(clean.device)]
        pixels = self._model.decode_preview(chosen)
        if pixels is None:
            pixels = self._by_linear_map(chosen)
        frames = fit(to_frames(pixels), self._size)
        strip = np.ascontiguousarray(np.concatenate(list(frames), 1))
        return png(strip.tobytes(), strip.shape[1], strip.shape[0])

    def _by_linear_map(self, latents: Tensor) -> Tensor:
        """Latents [1, C, n, h, w] -> pixels [n, 3, h, w] in -1..1 and a little beyond."""
        middle = latents.shape[2] // 2
        decoded = self._model.decode(latents[:, :, middle : middle + 1])
        colours = functional.adaptive_avg_pool2d(decoded, latents.shape[-2:])
        cells = _cells(latents[0].transpose(0, 1))
        # In double precision on the CPU: there its solver also takes a picture of a single colour.
        mapping = torch.linalg.lstsq(cells[middle], _doubles(colours[0].flatten(1).T), driver="gelsd").solution
        return (cells @ mapping).transpose(1, 2).unflatten(2, latents.shape[-2:]).float()


def _cells(latents: Tensor) -> Tensor:
    """[n, C, h, w] -> [n, h * w, C + 1], the last of them 1, for a map's constant part."""
    cells = _doubles(latents.flatten(2).transpose(1, 2))
    return torch.cat([cells, torch.ones_like(cells[..., :1])], -1)


def _doubles(numbers: Tensor) -> Tensor:
    """Moved first: Apple's devices have no double precision."""
    return numbers.cpu().double()
