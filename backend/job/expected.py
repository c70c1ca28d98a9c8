"""What the stages of a job will take, as far as that can be known before they run."""

from __future__ import annotations

from ..job_folder.settings import Settings
from .eta import ExpectedStage
from .inverted_reference import inversion_steps
from .take import step_costs

DECODED = 3.6  # passes of one frame through the UNet that its decoding takes as long as: 2.3 are counted for SD1.5
# Seconds for each pixel of a frame, measured on a common processor: these stages do not run on the device.
IN_BETWEEN, WRITTEN = 3e-7, 1.2e-7
ENCODER_STARTS = 0.3  # seconds that ffmpeg takes however short the clip
SMALLEST = 256 * 256  # pixels that in-betweening works on at least


def expected_stages(
    settings: Settings, frames: int, size: tuple[int, int], shot_frames: int, again: bool
) -> list[ExpectedStage]:
    """Of a take of so many frames of (H, W) pixels for a shot of so many; again: whether the memory policy has layers
    computed again for the gradient. Steps are in passes of the whole clip through the UNet."""
    pixels, made = size[0] * size[1], max(0, shot_frames - frames)
    inverted = settings.method == "inversion"
    return [
        ExpectedStage("motion", [1.0] * inversion_steps(settings) if inverted else ()),
        ExpectedStage("sampling", step_costs(settings, again)),
        ExpectedStage("decoding", [DECODED / frames] * frames),
        ExpectedStage("in-betweening", seconds=made * IN_BETWEEN * max(pixels, SMALLEST)),
        ExpectedStage("writing", seconds=ENCODER_STARTS + (frames + shot_frames) * WRITTEN * pixels),
    ]
