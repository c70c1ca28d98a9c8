"""Runs ffmpeg to examine files, to read frames or a single picture, and to write a video."""

from __future__ import annotations

import subprocess
from collections.abc import Generator, Sequence
from pathlib import Path

import numpy as np

from ..job_folder.pictures import MAX_PIXELS
from .ffmpeg_process import Check, Ffmpeg, never_cancelled


def input_options(path: Path) -> tuple[str, ...]:
    """Returns ffmpeg's input options for a file.

    `file:` keeps odd names from being read as options, the whitelist keeps playlists off the network, and frames too
    large for the memory are not decoded.
    """
    return "-protocol_whitelist", "file", "-max_pixels", str(MAX_PIXELS), "-i", f"file:{path}"


def run_for_log(*arguments: str, check: Check = never_cancelled) -> str:
    """Runs ffmpeg and returns its log, each line with its level. check: may raise Cancelled at any time."""
    with Ffmpeg(["-v", "level+info", "-nostats", *arguments], check, reporting=False) as process:
        process.read()
        return process.finish()[1]


def picture(path: Path, filters: str, check: Check) -> bytes:
    """Returns the first picture of a file as PNG, empty if there is none. check: may raise Cancelled at any time."""
    kept = ("-frames:v", "1", "-vf", filters, "-c:v", "png", "-f", "image2pipe", "-")
    with Ffmpeg(["-v", "error", *input_options(path), *kept], check) as process:
        return process.read()


def frames(
    path: Path,
    options: Sequence[str],
    stream: int,
    filters: str,
    size: tuple[int, int],
    deep: bool,
    check: Check = never_cancelled,
) -> Generator[np.ndarray, None, None]:
    """Yields the frames of a video as RGBA [H, W, 4], uint16 if `deep`, else uint8.

    options: for the input. filters: must give frames of `size` (H, W). Ends early if no more frames can be decoded.
    check: may raise Cancelled at any time.
    """
    height, width = size
    command = [
        *("-v", "error", *options, *input_options(path), "-map", f"0:{stream}", "-fps_mode", "passthrough"),
        *("-vf", filters, "-f", "rawvideo", "-pix_fmt", "rgba64le" if deep else "rgba", "-"),
    ]
    length = height * width * (8 if deep else 4)
    with Ffmpeg(command, check) as process:
        while len(data := process.read(length)) == length:
            yield np.frombuffer(data, "<u2" if deep else "u1").reshape(height, width, 4)


def encode(command: Sequence[str], frames: np.ndarray, check: Check = never_cancelled) -> str:
    """Pipes raw frames into ffmpeg with these arguments; returns its errors, empty on success."""
    with Ffmpeg(command, check, stdin=subprocess.PIPE) as process:
        process.feed(np.ascontiguousarray(frame).tobytes() for frame in frames)
        code, log = process.finish()
    return (log.strip() or f"ffmpeg ended with exit code {code}") if code else ""
