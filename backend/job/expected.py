"""Estimates what the stages of a job cost before they run."""

from __future__ import annotations

from ..job_folder.settings import Settings
from ..sampling.contexts import Contexts, contexts_of
from .eta import ExpectedStage
from .inverted_reference import inversion_steps
from .take import READING, step_costs

DECODED = 3.6  # decoding a frame takes as long as this many passes of it through the UNet (2.3 by operations)
# Seconds for each pixel of a frame, measured on a common CPU: these stages do not run on the GPU.
IN_BETWEEN, WRITTEN = 3e-7, 1.2e-7
ENCODER_STARTS = 0.3  # seconds that ffmpeg takes even for a very short clip
MIN_AREA = 256 * 256  # pixels: frames are interpolated at no smaller area


def expected_stages(
    settings: Settings, frames: int, size: tuple[int, int], shot_frames: int, recompute: bool
) -> list[ExpectedStage]:
    """Returns the stages of a take from reading the motion on. The unit of their steps is one pass of a context.

    size: (H, W) of the frames in pixels. shot_frames: the number of frames of the shot. recompute: whether the memory
    policy recomputes layers for the gradient.
    """
    pixels, made = size[0] * size[1], max(0, shot_frames - frames)
    contexts = contexts_of(settings, frames)
    return [
        ExpectedStage("motion", _reading_costs(settings, contexts)),
        ExpectedStage("sampling", step_costs(settings, recompute, contexts)),
        ExpectedStage("decoding", [DECODED / contexts.length] * frames),
        ExpectedStage("in-betweening", seconds=made * IN_BETWEEN * max(pixels, MIN_AREA)),
        ExpectedStage("writing", seconds=ENCODER_STARTS + (frames + shot_frames) * WRITTEN * pixels),
    ]


def _reading_costs(settings: Settings, contexts: Contexts) -> list[float]:
    """Returns the cost of each step of reading the motion; none for the one pass of a single context."""
    if settings.method == "inversion":
        return [float(len(contexts.at(step))) for step in range(inversion_steps(settings))]
    return [READING] * len(contexts.distinct(range(settings.guided_steps))) if contexts.several else []
