"""Probes video files: which stream is the clip, the times of its frames, and how to read its pixels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..job_folder.problem import Problem, Sentence
from . import ffmpeg
from .color import HDR_NAMES
from .ffmpeg_process import Check, never_cancelled
from .pictures import too_large

HD_HEIGHT, HD_WIDTH = 720, 1280  # from this size on, video without color tags is BT.709 by convention, not BT.601
_CUT_SHORT = ("ended prematurely", "partial file", "moov atom not found", "truncat")
_TEXT_AS_VIDEO = ("ansi", "bintext", "xbin", "idf")  # ffmpeg reads text files as video of a terminal
_NO_CLIP = ("(attached pic)", "(timed thumbnails)", "(still image)")
_STREAM = re.compile(r"^(?:\[info\] )?  Stream #0:(\d+)\S*: Video: (\w+).*?, (\d+)x(\d+)\b.*$", re.MULTILINE)
_CONFIG = re.compile(r"config in time_base: (\d+)/(\d+), frame_rate: (\d+)/(\d+)")
_FRAME = re.compile(r"\] n: *\d+ pts: *(\S+) .*?duration: *(\S+) .*?fmt:(\w+) .*?sar:(\d+)/(\d+) s:(\d+)x(\d+) i:(.)")
_COLOR = re.compile(r"color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)")


@dataclass(frozen=True)
class VideoInfo:
    """What decoding the whole video showed.

    stream: the index of the stream in the file. times: of each frame, in seconds. seconds: the duration from the first
    frame to the end of the last. size: (H, W), upright, with square pixels. decoder: input options that also decode
    transparency. filters: the filters before scaling. scaling: options of the scale filter. transfer: "pq" or "hlg" for
    HDR, "sdr" otherwise. wide: whether the primaries are those of BT.2020. notes: sentences for the user.
    """

    stream: int
    times: tuple[float, ...]
    seconds: float
    size: tuple[int, int]
    decoder: tuple[str, ...] = ()
    filters: str = ""
    scaling: str = ""
    transfer: str = "sdr"
    wide: bool = False
    notes: tuple[str, ...] = ()


def probe(path: Path, check: Check = never_cancelled) -> VideoInfo:
    """Decodes the video once without keeping its frames: only that gives the exact number and times of the frames.

    check: may raise Cancelled at any time. Raises Problem if the file contains no video, if it is truncated, or if the
    size of its frames changes.
    """
    stream, notes = _chosen_stream(path, check)
    log = ffmpeg.run_for_log(
        *ffmpeg.input_options(path), "-map", f"0:{stream}", "-vf", "showinfo=checksum=0", "-f", "null", "-", check=check
    )
    if large := re.search(r"Picture size (\d+)x(\d+) exceeds", log):
        raise too_large(path, int(large[1]), int(large[2]))
    frames = _frames(log)
    errors = [line for line in log.splitlines() if "[error]" in line or "[fatal]" in line]
    if not frames:
        raise _cut_short(path) if _is_container(path) and _reports_truncation(errors) else _no_video(path)
    end = frames[-1].time + frames[-1].seconds
    if _reports_truncation(errors) or _misses_much(log, errors, end):
        raise _cut_short(path)
    _check_one_size(path, frames)
    if errors:
        notes.append(Sentence("{path} is partly damaged; the frames that could be decoded were used.", path=path.name))
    return _video_info(path, stream, frames, log, notes)


@dataclass(frozen=True)
class _Frame:
    """One frame, as the filter `showinfo` reports it.

    time, seconds: its time and duration. size: (H, W) as stored. sar: the aspect ratio, width / height, of a pixel.
    """

    time: float
    seconds: float
    format: str
    size: tuple[int, int]
    sar: float
    interlaced: bool


def _chosen_stream(path: Path, check: Check) -> tuple[int, list[str]]:
    """Returns the stream of the clip, the largest one that is no cover or thumbnail, and a note if there are others."""
    log = ffmpeg.run_for_log(*ffmpeg.input_options(path), check=check)
    found = [match for match in _STREAM.finditer(log) if match[2] not in _TEXT_AS_VIDEO]
    streams = [match for match in found if not any(sign in match[0] for sign in _NO_CLIP)]
    if not streams:
        if found:
            raise Problem("{path} contains sound and a cover picture, but no video.", "Give a video file.").about(
                path=path
            )
        errors = [line for line in log.splitlines() if "[error]" in line or "[fatal]" in line]
        raise _cut_short(path) if _is_container(path) and _reports_truncation(errors) else _no_video(path)
    best = max(streams, key=lambda m: (int(m[3]) * int(m[4]), "(default)" in m[0], -int(m[1])))
    others = Sentence(
        "{path} contains {count} videos; the largest, {width} x {height}, was read.",
        path=path.name,
        count=len(streams),
        width=best[3],
        height=best[4],
    )
    return int(best[1]), [others] if len(streams) > 1 else []


def _frames(log: str) -> list[_Frame]:
    """Returns all frames in the log of the filter `showinfo`. Times are exact; the log's own seconds are rounded."""
    found: list[_Frame] = []
    tick, rate = 0.0, 0.0
    for line in log.splitlines():
        if config := _CONFIG.search(line):
            tick, rate = _ratio(config[1], config[2]), _ratio(config[3], config[4])
        elif frame := _FRAME.search(line):
            usual = 1 / rate if rate else 0.0
            last = found[-1] if found else _Frame(0.0, 0.0, "", (0, 0), 1.0, False)
            time = int(frame[1]) * tick if _is_integer(frame[1]) else last.time + last.seconds
            found.append(
                _Frame(
                    time=max(time, last.time) if found else time,
                    seconds=int(frame[2]) * tick if _is_integer(frame[2]) and frame[2] != "0" else usual,
                    format=frame[3],
                    size=(int(frame[7]), int(frame[6])),
                    sar=_ratio(frame[4], frame[5]) or 1.0,
                    interlaced=frame[8] in "TB",
                )
            )
    return found


def _video_info(path: Path, stream: int, frames: list[_Frame], log: str, notes: list[str]) -> VideoInfo:
    (height, width), sar = frames[0].size, frames[0].sar
    color = _COLOR.search(log)
    matrix, primaries, curve = color.groups() if color else ("unknown", "unknown", "unknown")
    transfer = {"smpte2084": "pq", "arib-std-b67": "hlg"}.get(curve, "sdr")
    interlaced = any(frame.interlaced for frame in frames)
    if interlaced:
        notes.append(Sentence("{path} is interlaced; its frames were deinterlaced.", path=path.name))
    if transfer in HDR_NAMES:
        notes.append(
            Sentence("{path} is HDR ({kind}); it was converted to sRGB.", path=path.name, kind=HDR_NAMES[transfer])
        )
    untagged_hd = matrix == "unknown" and "yuv" in frames[0].format and (height >= HD_HEIGHT or width >= HD_WIDTH)
    return VideoInfo(
        stream=stream,
        times=tuple(frame.time for frame in frames),
        seconds=frames[-1].time + frames[-1].seconds - frames[0].time,
        size=(height, max(1, round(width * sar))),
        decoder=_alpha_decoder(log),
        filters="bwdif=mode=send_frame:deint=interlaced," if interlaced else "",
        scaling=":in_color_matrix=bt709" if untagged_hd else "",
        transfer=transfer,
        wide=primaries == "bt2020",
        notes=tuple(notes),
    )


def _check_one_size(path: Path, frames: list[_Frame]) -> None:
    first = frames[0]
    for k, frame in enumerate(frames):
        if frame.size != first.size:
            (h, w), (height, width) = first.size, frame.size
            raise Problem(
                "The frame size of {path} changes: frame 1 is {width} x {height}, "
                "frame {index} is {other_width} x {other_height}.",
                "Export the video again with one frame size.",
            ).about(path=path, width=w, height=h, index=k + 1, other_width=width, other_height=height)


def _misses_much(log: str, errors: list[str], end: float) -> bool:
    """Whether much less was decoded than the file declares. With audio, which may be longer, it also needs errors."""
    declared = re.search(r"Duration: (\d+):(\d+):([\d.]+)", log)
    if not declared or not (errors or "Audio:" not in log):
        return False
    hours, minutes, seconds = (float(part) for part in declared.groups())
    return end < 0.9 * (3600 * hours + 60 * minutes + seconds)


def _alpha_decoder(log: str) -> tuple[str, ...]:
    """Returns the input options for transparency: ffmpeg's own VP8 and VP9 decoders drop it, libvpx keeps it."""
    if not re.search(r"alpha_mode\s*: 1", log):
        return ()
    return ("-c:v", "libvpx-vp9") if "Video: vp9" in log else ("-c:v", "libvpx")


def _ratio(upper: str, lower: str) -> float:
    return int(upper) / int(lower) if int(lower) else 0.0


def _is_integer(text: str) -> bool:
    """Whether the text is an integer. It is "NOPTS" if the file has no such value."""
    return re.fullmatch(r"-?[0-9]+", text) is not None


def _reports_truncation(errors: list[str]) -> bool:
    return any(sign in line for line in errors for sign in _CUT_SHORT)


def _is_container(path: Path) -> bool:
    """Whether the file is a video container. For a text named .mp4 ffmpeg reports the same as for a truncated video."""
    with path.open("rb") as file:
        start = file.read(8)
    by_index = path.suffix.lower() in (".mp4", ".m4v", ".mov")
    return not by_index or start[4:] in (b"ftyp", b"moov", b"mdat", b"wide", b"free")


def _no_video(path: Path) -> Problem:
    return Problem(
        "{path} is not a video.", "Give a video file (MP4, MOV, MKV, WebM, AVI, GIF) or a folder of PNG or JPG frames."
    ).about(path=path)


def _cut_short(path: Path) -> Problem:
    return Problem(
        "{path} is truncated or damaged: not all of its frames can be read.", "Copy or export the video again."
    ).about(path=path)
