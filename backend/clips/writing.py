"""Video files out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..errors import JobError, disk_full
from ..job_folder.writing import new_part, put_in_place
from . import ffmpeg, video
from .ffmpeg_process import Check, never_cancelled
from .pictures import not_writable

CRF = 12  # visually lossless H.264
MAX_LINES = 100  # of what ffmpeg says when it fails


def print_note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def write_video(
    path: str | Path,
    frames: np.ndarray,
    fps: float,
    note: Callable[[str], None] = print_note,
    check: Check = never_cancelled,
) -> Path:
    """Writes uint8 RGB [n, H, W, 3] as an MP4 that holds exactly n frames at fps; whole or not at all. -> its path.

    While another program keeps the file open on Windows, the clip gets another name, and `say` a sentence about that.

    H.264, yuv420p with BT.709 tags. That format needs even sides: an odd one repeats its last row or column. check:
    may raise Cancelled at any moment. JobError when the file cannot be written or does not hold what it should.
    """
    path = Path(path)
    even = np.pad(frames, ((0, 0), (0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)), mode="edge")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_part(path) as part:
            complaint = ffmpeg.encode(_command(part, even.shape[1:3], fps), even, check)
            if complaint:
                raise _not_encoded(path, complaint)
            _verify(path, part, len(frames), fps, check)
            return put_in_place(part, path, note)
    except OSError as error:
        raise not_writable(path, error) from None


def _command(part: Path, size: tuple[int, int], fps: float) -> list[str]:
    rate = Fraction(fps).limit_denominator(1001)  # 29.97003 is 30000/1001
    return [
        *(
            "-v",
            "error",
            "-y",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "rgb24",
            "-s",
            f"{size[1]}x{size[0]}",
            "-r",
            str(rate),
            "-i",
            "-",
        ),
        *("-vf", "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int", "-pix_fmt", "yuv420p"),
        *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"),
        *("-c:v", "libx264", "-crf", str(CRF), "-preset", "medium", "-fps_mode", "passthrough"),
        *("-movflags", "+faststart", "-f", "mp4", f"file:{part}"),
    ]


def _not_encoded(path: Path, complaint: str) -> JobError:
    """The sentence for what ffmpeg said when it failed."""
    if "No space left" in complaint:
        return disk_full(path)
    print("\n".join(complaint.splitlines()[-MAX_LINES:]), file=sys.stderr, flush=True)  # into the job's log
    hint = "Run the job again. If that fails again, report it with the job's log."
    return JobError(f"{path} could not be encoded: {complaint.splitlines()[-1]}", hint)


def _verify(path: Path, part: Path, count: int, fps: float, check: Check) -> None:
    times = video.probe(part, check).times
    span = times[-1] - times[0]
    if len(times) != count or abs(span - (count - 1) / fps) > 0.5 / fps:
        raise JobError(
            f"{path} came out with {len(times)} frames over {span:.3f} s instead of {count} at {fps:g} a second.",
            "Try again; if it happens again, report it with the job's log.",
        )
