"""Shows a reference and its takes side by side: a contact sheet with a few frames of each, and a video.

`python -m backend.clips.contact_sheet takes.json` writes contact_sheet.png and demo.mp4 beside takes.json:
{"frames": 48, "fps": 24, "takes": [{"prompt": text, "plain": job folder, "guided": job folder}, ...]}.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..job_folder.problem import Problem
from . import in_between, read_clip, write_video

COLUMNS, HEIGHT = 8, 128  # frames in a row of the sheet, and their height in pixels
VIDEO_HEIGHT, LOOPS = 224, 3
GAP, MARGIN, LINE, GROUP = 4, 24, 30, 18  # pixels
PAPER, INK, SOFT_INK = (250, 250, 248), (28, 28, 32), (110, 110, 118)


@dataclass(frozen=True)
class Row:
    """One clip: frames uint8 [n, H, W, 3], a title, and a remark in a lighter color."""

    frames: np.ndarray
    title: str
    remark: str = ""


@dataclass(frozen=True)
class Take:
    """The two clips of one prompt."""

    prompt: str
    plain: Row
    guided: Row


def main(plan_file: Path) -> None:
    """Writes the contact sheet and the video beside `plan_file`."""
    plan = json.loads(plan_file.read_text(encoding="utf-8"))
    folders = [Path(take["guided"]) for take in plan["takes"]]
    reference = Row(read_clip(folders[0] / "reference").frames, "reference", "the scene as the camera sees it")
    takes = [
        Take(
            take["prompt"],
            _row(Path(take["plain"]), "without guidance"),
            _row(Path(take["guided"]), "with the scene's motion"),
        )
        for take in plan["takes"]
    ]
    draw_sheet(reference, takes).save(plan_file.with_name("contact_sheet.png"))
    video = draw_video(reference, takes, plan["frames"])
    write_video(plan_file.with_name("demo.mp4"), np.tile(video, (LOOPS, 1, 1, 1)), plan["fps"])


def draw_sheet(reference: Row, takes: Sequence[Take]) -> Image.Image:
    """Draws the reference on top, then each prompt with its two clips, with evenly spaced frames from left to right."""
    width = enlarged(reference.frames[:1], HEIGHT).shape[2]
    columns = min(COLUMNS, len(reference.frames))
    row_height = LINE + HEIGHT + GAP
    size = (
        2 * MARGIN + columns * (width + GAP) - GAP,
        2 * MARGIN + row_height + len(takes) * (GROUP + LINE + 2 * row_height),
    )
    sheet = Image.new("RGB", size, PAPER)
    y = _draw_row(sheet, MARGIN, reference, columns)
    for take in takes:
        y += GROUP
        ImageDraw.Draw(sheet).text((MARGIN, y), f"“{take.prompt}”", INK, _font(17))
        y += LINE
        for row in (take.plain, take.guided):
            y = _draw_row(sheet, y, row, columns)
    return sheet


def draw_video(reference: Row, takes: Sequence[Take], count: int) -> np.ndarray:
    """Draws a video, uint8 [count, H, W, 3]: the reference, then a column for each prompt, guided clips on top."""
    cells = [enlarged(in_between(reference.frames, count), VIDEO_HEIGHT)]
    for take in takes:
        cells += [enlarged(in_between(row.frames, count), VIDEO_HEIGHT) for row in (take.guided, take.plain)]
    height, width = cells[0].shape[1:3]
    size = 2 * MARGIN + (1 + len(takes)) * (width + GAP) - GAP, 2 * (LINE + height) + MARGIN
    page = Image.new("RGB", (_even(size[0]), _even(size[1])), PAPER)
    pen, positions = ImageDraw.Draw(page), [(MARGIN, LINE)]
    pen.text((MARGIN, 6), "reference", INK, _font(15))
    for number in range(1, len(takes) + 1):
        x = MARGIN + number * (width + GAP)
        positions += [(x, LINE), (x, 2 * LINE + height)]
        pen.text((x, 6), "with its motion", INK, _font(15))
        pen.text((x, LINE + height + 6), "without guidance", SOFT_INK, _font(15))
    video = np.repeat(np.asarray(page)[None], count, 0)
    for cell, (x, y) in zip(cells, positions, strict=True):
        video[:, y : y + height, x : x + width] = cell
    return video


def enlarged(frames: np.ndarray, height: int) -> np.ndarray:
    """Resizes frames [n, H, W, 3] to this height."""
    width = round(frames.shape[2] * height / frames.shape[1])
    method = cv2.INTER_CUBIC if height > frames.shape[1] else cv2.INTER_AREA
    return np.stack([cv2.resize(frame, (width, height), interpolation=method) for frame in frames])


def _row(job: Path, title: str) -> Row:
    """Returns the frames of a finished job, with its motion score as the remark."""
    result = json.loads((job / "result.json").read_text(encoding="utf-8"))
    score = result.get("motion_score")
    remark = "" if score is None else f"motion score {score:.2f}"
    return Row(read_clip(job / "result").frames, title, remark)


def _draw_row(sheet: Image.Image, y: int, row: Row, columns: int) -> int:
    """Draws title and frames; returns the top of the next row."""
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN, y + 4), row.title, INK, _font(15))
    pen.text((MARGIN + pen.textlength(row.title + "   ", _font(15)), y + 4), row.remark, SOFT_INK, _font(15))
    chosen = np.linspace(0, len(row.frames) - 1, columns).round().astype(int)
    for column, frame in enumerate(enlarged(row.frames[chosen], HEIGHT)):
        sheet.paste(Image.fromarray(frame), (MARGIN + column * (frame.shape[1] + GAP), y + LINE))
    return y + LINE + HEIGHT + GAP


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Returns Pillow's built-in font, which is the same on every machine."""
    return ImageFont.load_default(size)


def _even(number: int) -> int:
    """Rounds up to an even number, as H.264 requires."""
    return number + number % 2


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (Problem, OSError) as error:
        sys.exit(f"Error: {error}")
