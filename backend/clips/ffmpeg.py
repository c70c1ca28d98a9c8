"""The ffmpeg that imageio-ffmpeg brings, asked three things: what a video holds, its frames, and to write one."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe

from ..errors import JobError
from ..wire.picture_size import MOST_PIXELS
from .pictures import too_large

_QUIET: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # on Windows: no console window when started from Blender
_CUT_SHORT = ("ended prematurely", "partial file", "moov atom not found", "truncat")


@dataclass(frozen=True)
class VideoFacts:
    """What decoding a whole video found. times: seconds of each frame; size (H, W) upright, pixels made square."""

    times: tuple[float, ...]
    size: tuple[int, int]
    decoder: tuple[str, ...]  # input options that decode transparency too
    damaged: bool  # some frames could not be decoded cleanly


def examine(path: Path) -> VideoFacts:
    """Decodes the video once without keeping it: only so are the number and times of its frames certain.

    JobError when it is no video, or is cut short.
    """
    command = [
        "-v",
        "level+info",
        "-nostats",
        *_input(path),
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
        "-f",
        "framecrc",
    ]
    done = subprocess.run(
        [get_ffmpeg_exe(), *command, "-"], capture_output=True, stdin=subprocess.DEVNULL, creationflags=_QUIET
    )
    log, listing = (text.decode("utf-8", "replace") for text in (done.stderr, done.stdout))
    errors = [line for line in log.splitlines() if "[error]" in line or "[fatal]" in line]
    header = dict(re.findall(r"^#(\w+) 0: (.+)$", listing, re.MULTILINE))
    rows = [line.split(",") for line in listing.splitlines() if line and line[0] != "#"]
    if large := re.search(r"Picture size (\d+)x(\d+) exceeds", log):
        raise too_large(path, int(large[1]), int(large[2]))
    if not rows or "dimensions" not in header:
        raise _cut_short(path) if _is_container(path) and _says_cut_short(errors) else _no_video(path)
    tick = _ratio(header["tb"])
    if _says_cut_short(errors) or _misses_much(log, errors, rows, tick):
        raise _cut_short(path)
    width, height = (int(v) for v in header["dimensions"].split("x"))
    return VideoFacts(
        times=tuple(int(row[2]) * tick for row in rows),
        size=(height, max(1, round(width * (_ratio(header.get("sar", "1/1")) or 1)))),
        decoder=_alpha_decoder(log),
        damaged=bool(errors),
    )


def decode(
    path: Path, facts: VideoFacts, size: tuple[int, int], wanted: Sequence[int] | np.ndarray
) -> Iterator[np.ndarray]:
    """Yields the wanted frames (rising indices) as uint8 RGBA [H, W, 4] for size (H, W), one at a time."""
    height, width = size
    choice = "" if len(wanted) == len(facts.times) else "select='" + "+".join(f"eq(n,{k})" for k in wanted) + "',"
    command = [
        *("-v", "error", *facts.decoder, *_input(path), "-map", "0:v:0", "-fps_mode", "passthrough"),
        *("-vf", f"{choice}scale={width}:{height}:flags=area+accurate_rnd+full_chroma_int"),
        *("-f", "rawvideo", "-pix_fmt", "rgba", "-"),
    ]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [get_ffmpeg_exe(), *command],
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
            creationflags=_QUIET,
        )
        assert process.stdout is not None
        try:
            for _ in wanted:
                data = process.stdout.read(height * width * 4)
                if len(data) < height * width * 4:
                    raise _cut_short(path)
                yield np.frombuffer(data, np.uint8).reshape(height, width, 4)
        finally:
            process.stdout.close()
            process.kill()
            process.wait()


def encode(command: Sequence[str], frames: np.ndarray) -> str:
    """Pipes raw frames into ffmpeg with these arguments; returns its complaints, empty when all went well."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [get_ffmpeg_exe(), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            creationflags=_QUIET,
        )
        assert process.stdin is not None
        try:
            for frame in frames:
                process.stdin.write(np.ascontiguousarray(frame).tobytes())
            process.stdin.close()
        except BrokenPipeError:
            pass  # ffmpeg left early; its log says why
        finally:
            failed = process.wait() != 0
        log.seek(0)
        text = log.read().decode("utf-8", "replace").strip()
    return (text or "ffmpeg failed") if failed else ""


def _input(path: Path) -> tuple[str, ...]:
    """`file:` keeps odd names from being read as options; the whitelist keeps playlists off the network; frames that
    would fill the memory are not decoded."""
    return "-protocol_whitelist", "file", "-max_pixels", str(MOST_PIXELS), "-i", f"file:{path}"


def _ratio(text: str) -> float:
    upper, lower = text.replace(":", "/").split("/")
    return int(upper) / int(lower) if int(lower) else 0.0


def _misses_much(log: str, errors: list[str], rows: list[list[str]], tick: float) -> bool:
    """Whether far less was decoded than the file promises. Sound may outlast the picture: then errors must say so."""
    promise = re.search(r"Duration: (\d+):(\d+):([\d.]+)", log)
    if not promise or not (errors or "Audio:" not in log):
        return False
    hours, minutes, seconds = (float(part) for part in promise.groups())
    decoded = (int(rows[-1][2]) + int(rows[-1][3])) * tick
    return decoded < 0.9 * (3600 * hours + 60 * minutes + seconds)


def _alpha_decoder(log: str) -> tuple[str, ...]:
    """ffmpeg's own VP8 and VP9 decoders drop transparency; libvpx keeps it."""
    if not re.search(r"alpha_mode\s*: 1", log):
        return ()
    return ("-c:v", "libvpx-vp9") if "Video: vp9" in log else ("-c:v", "libvpx")


def _says_cut_short(errors: list[str]) -> bool:
    return any(sign in line for line in errors for sign in _CUT_SHORT)


def _is_container(path: Path) -> bool:
    """Not so for a text named .mp4, in which ffmpeg misses the index as in a video that is cut short."""
    with path.open("rb") as file:
        start = file.read(8)
    by_index = path.suffix.lower() in (".mp4", ".m4v", ".mov")
    return not by_index or start[4:] in (b"ftyp", b"moov", b"mdat", b"wide", b"free")


def _no_video(path: Path) -> JobError:
    return JobError(
        f"{path} is not a video.",
        "Give a video file (MP4, MOV, MKV, WebM, AVI) or a folder of PNG or JPG frames.",
    )


def _cut_short(path: Path) -> JobError:
    return JobError(
        f"{path} is cut short or damaged: not all of its frames can be read.", "Copy or export the video again."
    )
