"""Finds the frame sequence in a folder of pictures, by the numbers in the file names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..job_folder.problem import Problem, Sentence
from .still import SUFFIXES

MAX_FRAMES = 100_000  # of a shot; numbers that are further apart are no frame numbers
MAX_NAMES = 3
# A minus sign counts only if it cannot be a hyphen between words: Blender writes shot_-0001.png.
_NUMBER = re.compile(r"(?:(?<![^_. ])-)?[0-9]+")


@dataclass(frozen=True)
class FrameFiles:
    """The files of a frame sequence, in order.

    numbers: the frame of each file, counted from 0. total: the number of frames from the first to the last, including
    gaps. notes: sentences for the user.
    """

    files: tuple[Path, ...]
    numbers: tuple[int, ...]
    total: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Numbered:
    """A numbered sequence. pattern: such as "shot_####.png". files: by frame number."""

    pattern: str
    files: dict[int, Path] = field(default_factory=dict)

    @property
    def span(self) -> str:
        return f"{self.pattern} ({min(self.files)}-{max(self.files)})"


def frame_files(folder: Path) -> FrameFiles:
    """Returns the frame sequence in a folder. Raises Problem if there is none, or more than one."""
    files = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.name[0] != "." and p.is_file()]
    if not files:
        raise Problem(
            "The folder {folder} contains no pictures.", "Render the frames as PNG into it, or give another folder."
        ).about(folder=folder)
    sequences = [found for found in _sequences(folder, files) if len(found.files) > 1]
    if not sequences:
        ordered = sorted(files, key=_natural)
        return FrameFiles(tuple(ordered), tuple(range(len(ordered))), len(ordered))
    if len(sequences) > 1:
        first, second = sorted(sequences, key=lambda found: -len(found.files))[:2]
        raise Problem(
            "The folder {folder} contains the frames of more than one clip: {first} and {second}.",
            "Keep one clip's frames in the folder.",
        ).about(folder=folder, first=first.span, second=second.span)
    (found,) = sequences
    notes = _left_out(folder, found, files)
    numbers = sorted(found.files)
    ordered = tuple(found.files[number] for number in numbers)
    total = numbers[-1] - numbers[0] + 1
    if total > MAX_FRAMES:
        notes.append(
            Sentence(
                "The numbers in {span} are too far apart for frame numbers; the pictures were spaced evenly.",
                span=found.span,
            )
        )
        return FrameFiles(ordered, tuple(range(len(ordered))), len(ordered), tuple(notes))
    if total > len(numbers):
        notes.append(_gaps(folder, found, numbers))
    return FrameFiles(ordered, tuple(number - numbers[0] for number in numbers), total, tuple(notes))


def _sequences(folder: Path, files: Sequence[Path]) -> list[_Numbered]:
    """Groups the files whose names differ only in the frame number."""
    alike: dict[tuple[str, str], list[tuple[Path, list[str]]]] = defaultdict(list)
    for path in sorted(files, key=_natural):
        alike[_NUMBER.sub("#", path.stem), path.suffix.lower()].append((path, _NUMBER.findall(path.stem)))
    found: dict[str, _Numbered] = {}
    for (_, suffix), group in alike.items():
        column = _frame_column([numbers for _, numbers in group])
        for path, numbers in group:
            if column is None:
                continue
            pattern = _pattern(path.stem, column) + suffix
            sequence = found.setdefault(pattern, _Numbered(pattern))
            number = int(numbers[column])
            if number in sequence.files:
                raise Problem(
                    "Two pictures in {folder} have the frame number {number}: {name} and {path}.", "Keep one of them."
                ).about(folder=folder, number=number, name=sequence.files[number].name, path=path.name)
            sequence.files[number] = path
    return list(found.values())


def _frame_column(rows: list[list[str]]) -> int | None:
    """Returns which of the numbers in each name is the frame number, None if the names have no numbers.

    rows: the numbers of each name. Of the numbers that differ in all names it is the one with the smallest range. If
    there is none, it is the last number that differs in some names.
    """
    columns = [[int(text) for text in column] for column in zip(*rows, strict=True)]
    if not columns:
        return None
    unique = [k for k, column in enumerate(columns) if len(set(column)) == len(rows) > 1]
    if unique:
        return min(unique, key=lambda k: max(columns[k]) - min(columns[k]))
    varying = [k for k, column in enumerate(columns) if len(set(column)) > 1]
    return varying[-1] if varying else len(columns) - 1


def _pattern(stem: str, column: int) -> str:
    match = list(_NUMBER.finditer(stem))[column]
    return f"{stem[: match.start()]}####{stem[match.end() :]}"


def _left_out(folder: Path, found: _Numbered, files: Sequence[Path]) -> list[str]:
    others = sorted(set(files) - set(found.files.values()), key=_natural)
    if not others:
        return []
    names = ", ".join(path.name for path in others[:MAX_NAMES])
    more = f" and {len(others) - MAX_NAMES} more" if len(others) > MAX_NAMES else ""
    return [
        Sentence(
            "{folder} contains pictures that are not frames of {pattern}; ignored: {names}{more}.",
            folder=folder.name,
            pattern=found.pattern,
            names=names,
            more=more,
        )
    ]


def _gaps(folder: Path, found: _Numbered, numbers: list[int]) -> str:
    gaps = [(a + 1, b - 1) for a, b in zip(numbers, numbers[1:]) if b > a + 1]
    named = ", ".join(f"{a}-{b}" if b > a else str(a) for a, b in gaps[:MAX_NAMES])
    more = f" and {len(gaps) - MAX_NAMES} more gaps" if len(gaps) > MAX_NAMES else ""
    missing = sum(b - a + 1 for a, b in gaps)
    total = numbers[-1] - numbers[0] + 1
    return Sentence(
        "{folder} lacks {missing} of {total} frames of {pattern}: {named}{more}. The other frames keep their times.",
        folder=folder.name,
        missing=missing,
        total=total,
        pattern=found.pattern,
        named=named,
        more=more,
    )


def _natural(path: Path) -> list[tuple[int, str]]:
    """The sort key for natural order: frame2 before frame10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.findall(r"[0-9]+|[^0-9]+", path.name)]
