"""The ffmpeg that imageio-ffmpeg brings: asked about a file, for frames, for a single picture, and to write a video."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe

from ..wire.picture_size import MOST_PIXELS

_QUIET: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # on Windows: no console window when started from Blender


def of_file(path: Path) -> tuple[str, ...]:
    """`file:` keeps odd names from being read as options; the whitelist keeps playlists off the network; frames that
    would fill the memory are not decoded."""
    return "-protocol_whitelist", "file", "-max_pixels", str(MOST_PIXELS), "-i", f"file:{path}"


def ask(*arguments: str) -> str:
    """What ffmpeg says, each line with its level, when it is called so."""
    done = _run("-v", "level+info", "-nostats", *arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return done.stderr.decode("utf-8", "replace")


def picture(path: Path, filters: str) -> bytes:
    """The first picture of a file as a PNG; empty when there is none."""
    kept = ("-frames:v", "1", "-vf", filters, "-c:v", "png", "-f", "image2pipe", "-")
    done = _run("-v", "error", *of_file(path), *kept, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout


def frames(
    path: Path, options: Sequence[str], stream: int, filters: str, size: tuple[int, int], deep: bool
) -> Iterator[np.ndarray]:
    """Yields a video's frames after the filters, which give size (H, W), as RGBA [H, W, 4]: uint16 if deep, or uint8.

    options: of the input. Ends early when no more can be decoded.
    """
    height, width = size
    command = [
        *("-v", "error", *options, *of_file(path), "-map", f"0:{stream}", "-fps_mode", "passthrough"),
        *("-vf", filters, "-f", "rawvideo", "-pix_fmt", "rgba64le" if deep else "rgba", "-"),
    ]
    length = height * width * (8 if deep else 4)
    process = subprocess.Popen(
        [get_ffmpeg_exe(), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        creationflags=_QUIET,
    )
    assert process.stdout is not None
    try:
        while len(data := process.stdout.read(length)) == length:
            yield np.frombuffer(data, "<u2" if deep else "u1").reshape(height, width, 4)
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


def _run(*arguments: str, stdout: int, stderr: int) -> subprocess.CompletedProcess[bytes]:
    command = [get_ffmpeg_exe(), *arguments]
    return subprocess.run(command, stdout=stdout, stderr=stderr, stdin=subprocess.DEVNULL, creationflags=_QUIET)
