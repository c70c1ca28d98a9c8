"""A job folder's files as numbered pieces, for a worker that does not see the folder. Standard library only.

Only files with the names that a job reads are taken to the worker, and only those it writes are brought back, whatever
the other side says. What has come is kept apart until every piece is there and the digest of them all is right.
"""

from __future__ import annotations

import base64
import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import IO

from ..job_folder.pictures import MOST_PIXELS, picture_size
from ..job_folder.reading import open_regular
from ..job_folder.writing import is_link, put_in_place, remove
from .encoding import PIECE_BYTES, is_place

INPUTS = ("job.json", "reference", "mask", "depth", "vectors", "image", "sketch")  # all that a job reads
RESULTS = ("result", "result.mp4", "log.txt", "result.json")  # in the order in which they are put into place
MOST_FILES, MOST_BYTES = 10_000, 2 * 2**30  # of a parcel; a long clip with all its passes has a quarter of a gibibyte
MOST_PIECES = MOST_FILES + MOST_BYTES // PIECE_BYTES
AHEAD = 2  # pieces that are asked for before they come


class ParcelError(Exception):
    """Files that cannot be sent, or have not arrived as they were sent; the text is for the user."""


@dataclass(frozen=True)
class Parcel:
    """Files of a folder, as they were when it was packed. sizes: of each, in bytes; digest: see `_digest_line`."""

    folder: Path
    places: tuple[str, ...]
    sizes: tuple[int, ...]
    digest: str

    @property
    def pieces(self) -> int:
        return sum(map(_pieces, self.sizes))

    def piece(self, number: int) -> tuple[str, str]:
        """-> the file's place, and the piece in base64. ParcelError when there is none such; OSError."""
        if not 0 <= number < self.pieces:
            raise ParcelError(f"There is no piece {number} of {self.pieces}.")
        starts = [0, *accumulate(map(_pieces, self.sizes))]
        i = bisect_right(starts, number) - 1
        with open_regular(self.folder / self.places[i]) as file:
            file.seek((number - starts[i]) * PIECE_BYTES)
            return self.places[i], base64.b64encode(file.read(PIECE_BYTES)).decode("ascii")


def pack(folder: Path, names: Sequence[str]) -> Parcel:
    """The files of these names, and those in folders of these names. ParcelError; OSError."""
    places = sorted(place for name in names for place in _places(folder, name))
    sizes = tuple((folder / place).stat().st_size for place in places)
    if len(places) > MOST_FILES or sum(sizes) > MOST_BYTES:
        raise ParcelError(f"{folder} has more than {MOST_FILES} files or {MOST_BYTES >> 30} GiB, too much to be sent.")
    digest = hashlib.sha256()
    for place, size in zip(places, sizes):
        with open_regular(folder / place) as file:
            digest.update(_digest_line(place, size, hashlib.file_digest(file, "sha256").hexdigest()))
    return Parcel(folder, tuple(places), sizes, digest.hexdigest())


class Arrival:
    """A parcel that comes in, piece by piece in order."""

    def __init__(self, folder: Path, names: Sequence[str], digest: str, pieces: int):
        """folder: where it is kept meanwhile, made anew so that no link lies in it. ParcelError; OSError."""
        if pieces > MOST_PIECES:
            raise ParcelError(f"{pieces} pieces are more than {MOST_FILES} files of {MOST_BYTES >> 30} GiB have.")
        remove(folder)
        folder.mkdir(parents=True, mode=0o700)
        self.folder, self._names, self._expected, self.pieces = folder, names, digest, pieces
        self._digest, self._bytes, self._files, self.come = hashlib.sha256(), 0, 0, 0
        self._place, self._size, self._hash = "", 0, hashlib.sha256()
        self._file: IO[bytes] | None = None

    @property
    def wanted_first(self) -> range:
        return range(min(AHEAD, self.pieces))

    def add(self, number: int, place: str, data: str) -> int | None:
        """-> the piece to ask for next, if any. ParcelError unless it is the one that follows the last; OSError."""
        content = base64.b64decode(data)
        self._check(number, place, len(content))
        if place != self._place:
            self._begin(place)
        assert self._file is not None
        self._file.write(content)
        self._hash.update(content)
        self._size, self._bytes, self.come = self._size + len(content), self._bytes + len(content), self.come + 1
        return number + AHEAD if number + AHEAD < self.pieces else None

    def whole(self) -> bool:
        """Whether every piece has come. ParcelError when they are not what was offered; OSError."""
        if self.come < self.pieces:
            return False
        self._end_file()
        if self._digest.hexdigest() != self._expected:
            raise ParcelError("The files changed on their way.")
        return True

    def move_into(self, folder: Path, say: Callable[[str], None]) -> None:
        """Puts what has come in the place of what was there, in the order of the names. OSError.

        say: is given a sentence about each that got another name, because a program has the old one open."""
        for name in self._names:
            new, old = self.folder / name, folder / name
            if new.is_dir():
                remove(old)
            if new.exists():
                put_in_place(new, old, say)
        self.drop()

    def drop(self) -> None:
        if self._file:
            self._file.close()
        remove(self.folder)

    def _check(self, number: int, place: str, size: int) -> None:
        if number != self.come or number >= self.pieces:
            raise ParcelError(f"Piece {number} came where {self.come} of {self.pieces} was to come.")
        if place.partition("/")[0] not in self._names or place < self._place or not is_place(place):
            raise ParcelError(f"A file {place[:80]!r} was not to come here.")
        self._files += place != self._place
        if self._files > MOST_FILES or self._bytes + size > MOST_BYTES:
            raise ParcelError(f"More than {MOST_FILES} files or {MOST_BYTES >> 30} GiB came.")

    def _begin(self, place: str) -> None:
        self._end_file()
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two names that differ in case alone are one file on Windows and macOS: the second is not opened.
        self._place, self._size, self._hash = place, 0, hashlib.sha256()
        self._file = path.open("xb")

    def _end_file(self) -> None:
        if self._file:
            self._file.close()
            self._file = None
            self._digest.update(_digest_line(self._place, self._size, self._hash.hexdigest()))


def check_pictures(folder: Path) -> None:
    """ParcelError when a PNG in the folder would fill the memory of whoever shows it. OSError."""
    for path in folder.glob("*.png"):
        with open_regular(path) as file:
            size = picture_size(file.read(24))
        if size and size[0] * size[1] > MOST_PIXELS:
            raise ParcelError(f"The picture {path.name} is {size[0]} x {size[1]}, too large to be shown.")


def _places(folder: Path, name: str) -> Iterator[str]:
    """ParcelError for links, which could lead anywhere, and for names that not every system can write."""
    top = folder / name
    for path in [top, *(top.rglob("*") if top.is_dir() else [])]:
        place = path.relative_to(folder).as_posix()
        if "/." in place:  # what systems leave in folders, such as .DS_Store
            continue
        if is_link(path):
            raise ParcelError(f"{path} is a link, which cannot be sent. Put the file itself there.")
        if path.is_file():
            if not is_place(place):
                raise ParcelError(f"{path} cannot be sent: use only A-Z, a-z, 0-9, _, - and . in its name.")
            yield place


def _pieces(size: int) -> int:
    return max(1, -(-size // PIECE_BYTES))


def _digest_line(place: str, size: int, sha256: str) -> bytes:
    return f"{sha256} {size} {place}\n".encode("ascii")
