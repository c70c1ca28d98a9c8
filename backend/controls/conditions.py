"""The conditions of a take besides text and motion: pictures and sketches at some frames, depth, a mask.

In a job folder `image/0003.png` and `sketch/0003.png` are for frame 3 of the model, counted from 0. `depth/` contains
a picture for each frame: inverse distance, near is light, far is dark, with one scale for all frames. `mask/` contains
a picture for each frame too: the subject of the reference is white, the background black.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..clips import fit, read_picture
from ..clips.pictures import picture_files
from ..job_folder.problem import Problem, Sentence
from ..models.model_entry import ModelEntry

# The folder in the job -> the key of the model entry that names its control model.
CONTROL_OF = {"image": "sparse_rgb", "sketch": "sparse_scribble", "depth": "depth_control"}
EMPTY_MASK = 0.02  # a mask without a brighter pixel is empty
NOTED_CROP = 0.02  # the share of a picture that may be cropped without a note


@dataclass(frozen=True)
class Condition:
    """The pictures of one kind of condition.

    pictures: uint8 RGB [n, H, W, 3], in the size of the clip. frame_indices: the model's frame of each, from 0.
    """

    pictures: np.ndarray
    frame_indices: tuple[int, ...]


def check_model(entry: ModelEntry, kinds: Iterable[str]) -> None:
    """Raises Problem if the model has no control model for one of the kinds ("image", "sketch", "depth")."""
    for kind in kinds:
        key = CONTROL_OF[kind]
        if getattr(entry, key) is None:
            raise Problem(
                "The model {entry} does not support {kind}: its entry names no {key}.",
                "Remove the {kind}, choose another model, or add a control model as {key} to {source}.",
            ).about(entry=repr(entry.name), kind=kind, key=key, source=entry.source)


def parse_picture_option(text: str, frames: int) -> tuple[Path, int]:
    """Parses FILE or FILE@FRAME; returns the path and the frame index, 0 if not given.

    Negative frames count from the end. Raises Problem if there is no such file, or no such frame in a clip of `frames`
    frames.
    """
    named = re.fullmatch(r"(.+)@(-?\d+)", text)
    path, number = (Path(named[1]), int(named[2])) if named else (Path(text), 0)
    path = path.expanduser()
    if not path.is_file():
        raise Problem("There is no picture {path}.", "Check the path and its spelling.").about(path=path)
    frame = number + frames if number < 0 else number
    _check_frame_index(f"{path} is for frame {number}", frame, frames)
    return path, frame


def read_conditions(
    folder: Path, entry: ModelEntry, frames: int, size: tuple[int, int], check: Callable[[], None] = lambda: None
) -> tuple[dict[str, Condition], list[str]]:
    """Reads the conditions in a job folder; returns them by kind, with notes for the user.

    frames, size: the number and the size (H, W) of the frames of the clip. check: called before each picture is read;
    it may raise Cancelled. Raises Problem if the model does not support a condition, if a picture cannot be read, or
    if the clip has no such frame.
    """
    given = [kind for kind in CONTROL_OF if (folder / kind).is_dir()]
    check_model(entry, given)
    conditions, notes = {}, []
    for kind in given:
        files = _files_by_frame(folder / kind, frames)
        if kind == "depth" and len(files) != frames:
            raise Problem(
                "{folder} contains {count} pictures; the clip has {frames} frames, and each needs a depth picture.",
                "Create the job again, or remove the folder.",
            ).about(folder=folder / kind, count=len(files), frames=frames)
        pictures = []
        for path in files.values():
            check()
            picture, picture_notes = _fitted(path, f"{kind}/{path.name}", size)
            if kind == "sketch":
                picture, more = _white_on_black(picture, path)
                picture_notes += more
            pictures.append(picture)
            notes += picture_notes
        conditions[kind] = Condition(np.stack(pictures), tuple(files))
    # If all pictures have another aspect ratio, one note is enough.
    return conditions, notes if len(notes) <= 3 else [
        *notes[:2],
        Sentence("The same applies to {count} more pictures.", count=len(notes) - 2),
    ]


def read_mask(
    folder: Path, frames: int, size: tuple[int, int], cell: int, check: Callable[[], None] = lambda: None
) -> tuple[np.ndarray | None, list[str]]:
    """Reads the mask in a job folder; returns how much of each latent cell the subject covers, and notes for the user.

    The mask is [F, h, w] in 0..1, None if there is no folder mask/. cell: the width and height of a latent cell in
    pixels. check: as in `read_conditions`. Raises Problem if a frame has no mask, or if all masks are black.
    """
    if not (folder / "mask").is_dir():
        return None, []
    files = _files_by_frame(folder / "mask", frames)
    if len(files) != frames:
        raise Problem(
            "{folder} contains {count} pictures; the clip has {frames} frames, and each needs a mask.",
            "Create the job again, or remove the folder.",
        ).about(folder=folder / "mask", count=len(files), frames=frames)
    pictures, (h, w), (height, width) = [], size, size
    for path in files.values():
        check()
        picture = read_picture(path)[0]
        h, w = (h, w) if pictures else picture.shape[:2]
        pictures.append(fit(picture[None], size)[0])
    notes = mask_notes((h, w), size)
    # One picture after the other: a long clip's in float64 would need gigabytes.
    if max(picture.mean(-1).max() for picture in pictures) / 255 < EMPTY_MASK:
        raise Problem("The mask in {folder} is black in every frame.", "Paint the subject white.").about(
            folder=folder / "mask"
        )
    grid = height // cell, cell, width // cell, cell
    return np.stack([(picture.mean(-1) / 255).reshape(grid).mean((1, 3)) for picture in pictures]), notes


def mask_notes(size: tuple[int, int], clip_size: tuple[int, int]) -> list[str]:
    """The note that a mask of `size` (H, W) was resized, unless the clip has the same size."""
    if size == clip_size:
        return []
    sizes = {"width": size[1], "height": size[0], "clip_width": clip_size[1], "clip_height": clip_size[0]}
    said = "The mask is {width} x {height}; it was resized to the clip's {clip_width} x {clip_height}."
    return [Sentence(said, **sizes)]


def _files_by_frame(folder: Path, frames: int) -> dict[int, Path]:
    """Returns the pictures in a folder by frame index, which is their file name, in ascending order."""
    files: dict[int, Path] = {}
    for path in picture_files(folder):
        if not re.fullmatch(r"[0-9]+", path.stem):
            raise Problem(
                "The name of {path} is not a frame number.", "Rename it, for example to 0000.png for the first frame."
            ).about(path=path)
        frame = int(path.stem)
        _check_frame_index(f"{path} is for frame {frame}", frame, frames)
        if frame in files:
            raise Problem("{file} and {path} are for the same frame.", "Keep one of them.").about(
                file=files[frame], path=path
            )
        files[frame] = path
    if not files:
        raise Problem("The folder {folder} contains no PNG or JPG pictures.", "Add them, or remove the folder.").about(
            folder=folder
        )
    return dict(sorted(files.items()))


def _check_frame_index(what: str, frame: int, frames: int) -> None:
    if not 0 <= frame < frames:
        raise Problem(
            "{what}; the model's clip has {frames} frames, 0 to {last}.",
            "Frames are counted in the model's own clip, whatever the length of the shot; -1 is the last.",
        ).about(what=what, frames=frames, last=frames - 1)


def _fitted(path: Path, name: str, size: tuple[int, int]) -> tuple[np.ndarray, list[str]]:
    """Returns the picture scaled and center-cropped to `size` (H, W), with a note if more than a margin is cropped."""
    picture, transparent = read_picture(path)
    notes = [Sentence("{name} is partly transparent; middle gray was put behind it.", name=name)] if transparent else []
    (h, w), (height, width) = picture.shape[:2], size
    seen = min(h * width, w * height) / max(h * width, w * height)
    if 1 - seen > NOTED_CROP:
        notes.append(
            Sentence(
                "{name} is {width} x {height}; it was cropped to the aspect ratio of the clip, "
                "{clip_width} x {clip_height}.",
                name=name,
                width=w,
                height=h,
                clip_width=width,
                clip_height=height,
            )
        )
    return fit(picture[None], size)[0], notes


def _white_on_black(sketch: np.ndarray, path: Path) -> tuple[np.ndarray, list[str]]:
    """Converts a sketch to what scribble models are trained on: gray, full contrast, light lines on dark."""
    gray = cv2.cvtColor(sketch, cv2.COLOR_RGB2GRAY).astype(np.float32)
    low, high = gray.min(), gray.max()
    if high - low < 8:
        raise Problem("The sketch {path} is blank.", "Draw light lines on dark or dark ones on light.").about(path=path)
    gray = (gray - low) * (255 / (high - low))
    notes = []
    if gray.mean() > 127.5:
        gray = 255 - gray
        notes.append(
            Sentence("sketch/{path} has dark lines on light; it was inverted for the control model.", path=path.name)
        )
    return np.repeat(np.round(gray).astype(np.uint8)[..., None], 3, 2), notes
