"""Writes video files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..errors import disk_full
from ..job_folder.problem import Problem
from ..job_folder.writing import new_part, put_in_place
from . import ffmpeg, video
from .ffmpeg_process import Check, never_cancelled
from .pictures import not_writable

CRF = 12  # visually lossless H.264
MAX_LINES = 100  # of ffmpeg's log when it fails


def print_note(text: str) -> None:
    """Prints a note for the user to stderr."""
    print(text, file=sys.stderr, flush=True)


def write_video(
    path: str | Path,
    frames: np.ndarray,
    fps: float,
    note: Callable[[str], None] = print_note,
    check: Check = never_cancelled,
) -> Path:
    """Writes frames, uint8 RGB [n, H, W, 3], atomically as an MP4 with exactly n frames at `fps`; returns its path.

    The format is H.264, yuv420p, tagged BT.709. It needs an even width and height: if one is odd, the last row or
    column is repeated. If another program has the file open on Windows, the clip gets another name, and `note` receives
    a sentence about that.

    check: may raise Cancelled at any time. Raises Problem if the file cannot be written, or if it does not contain all
    frames at the right rate.
    """
    path = Path(path)
    even = np.pad(frames, ((0, 0), (0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)), mode="edge")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_part(path) as part:
            errors = ffmpeg.encode(_command(part, even.shape[1:3], fps), even, check)
            if errors:
                raise _not_encoded(path, errors)
            _verify(path, part, len(frames), fps, check)
            return put_in_place(part, path, note)
    except OSError as error:
        raise not_writable(path, error) from None


def _command(part: Path, size: tuple[int, int], fps: float) -> list[str]:
    rate = Fraction(fps).limit_denominator(1001)  # 29.97003 is 30000/1001
    return [
        *("-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"),
        *("-s", f"{size[1]}x{size[0]}", "-r", str(rate), "-i", "-"),
        *("-vf", "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int", "-pix_fmt", "yuv420p"),
        *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"),
        *("-c:v", "libx264", "-crf", str(CRF), "-preset", "medium", "-fps_mode", "passthrough"),
        *("-movflags", "+faststart", "-f", "mp4", f"file:{part}"),
    ]


def _not_encoded(path: Path, errors: str) -> Problem:
    """Returns the error for a failure of ffmpeg."""
    if "No space left" in errors:
        return disk_full(path)
    print("\n".join(errors.splitlines()[-MAX_LINES:]), file=sys.stderr, flush=True)  # into the job's log
    hint = "Run the job again. If it fails again, report it with the job's log."
    return Problem("{path} could not be encoded: {reason}", hint).about(path=path, reason=errors.splitlines()[-1])


def _verify(path: Path, part: Path, count: int, fps: float, check: Check) -> None:
    times = video.probe(part, check).times
    span = times[-1] - times[0]
    if len(times) != count or abs(span - (count - 1) / fps) > 0.5 / fps:
        raise Problem(
            "{path} was written with {found} frames over {span} s instead of {expected} at {fps} frames per second.",
            "Try again. If it happens again, report it with the job's log.",
        ).about(path=path, found=len(times), span=f"{span:.3f}", expected=count, fps=f"{fps:g}")
