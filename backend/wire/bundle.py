"""Transfers a job folder's files as numbered pieces, for a worker that does not see the folder. Standard library only.

Only files that a job reads are sent to the worker, and only files that it writes are fetched, whatever the other side
asks for. Received files are kept apart until every piece has arrived and the digest of all of them is correct.
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

from ..job_folder.pictures import MAX_PIXELS, picture_size
from ..job_folder.problem import Problem
from ..job_folder.reading import open_regular
from ..job_folder.writing import is_link, put_in_place, remove
from .encoding import PIECE_BYTES, is_relative_path

INPUTS = ("job.json", "reference", "mask", "depth", "vectors", "image", "sketch")  # everything that a job reads
RESULTS = ("result", "result.mp4", "log.txt", "result.json")  # in the order in which they are replaced
MAX_FILES, MAX_BYTES = 10_000, 2 * 2**30  # per bundle; a long clip with all passes has 256 MiB
MAX_PIECES = MAX_FILES + MAX_BYTES // PIECE_BYTES
AHEAD = 2  # pieces requested in advance


class BundleError(Problem):
    """Files that cannot be sent, or that did not arrive unchanged. The text is for the user."""


@dataclass(frozen=True)
class Bundle:
    """The files of a folder, as they were when packed. sizes: in bytes, one per file; digest: see `_digest_line`."""

    folder: Path
    paths: tuple[str, ...]
    sizes: tuple[int, ...]
    digest: str

    @property
    def pieces(self) -> int:
        """The number of pieces of all files together."""
        return sum(map(_pieces, self.sizes))

    def piece(self, number: int) -> tuple[str, str]:
        """Returns the file's path and the piece in base64. Raises BundleError for a number out of range, and
        OSError."""
        if not 0 <= number < self.pieces:
            raise BundleError("Piece {number} does not exist; there are {pieces}.").about(
                number=number, pieces=self.pieces
            )
        starts = [0, *accumulate(map(_pieces, self.sizes))]
        i = bisect_right(starts, number) - 1
        with open_regular(self.folder / self.paths[i]) as file:
            file.seek((number - starts[i]) * PIECE_BYTES)
            return self.paths[i], base64.b64encode(file.read(PIECE_BYTES)).decode("ascii")


def pack(folder: Path, names: Sequence[str]) -> Bundle:
    """Bundles the files with these names and those in folders with these names. Raises BundleError and OSError."""
    paths = sorted(path for name in names for path in _paths(folder, name))
    sizes = tuple((folder / path).stat().st_size for path in paths)
    if len(paths) > MAX_FILES or sum(sizes) > MAX_BYTES:
        raise BundleError(
            "{folder} contains more than {most_files} files or {most_bytes} GiB, which is too much to send."
        ).about(folder=folder, most_files=MAX_FILES, most_bytes=MAX_BYTES >> 30)
    digest = hashlib.sha256()
    for path, size in zip(paths, sizes):
        with open_regular(folder / path) as file:
            digest.update(_digest_line(path, size, hashlib.file_digest(file, "sha256").hexdigest()))
    return Bundle(folder, tuple(paths), sizes, digest.hexdigest())


class IncomingBundle:
    """A bundle that arrives piece by piece, in order."""

    def __init__(self, folder: Path, names: Sequence[str], digest: str, pieces: int):
        """`folder` holds the files meanwhile. It is recreated, so that it contains no link. Raises BundleError and
        OSError."""
        if pieces > MAX_PIECES:
            raise BundleError("{pieces} pieces exceed the limit of {most_files} files and {most_bytes} GiB.").about(
                pieces=pieces, most_files=MAX_FILES, most_bytes=MAX_BYTES >> 30
            )
        remove(folder)
        folder.mkdir(parents=True, mode=0o700)
        self.folder, self._names, self._expected, self.pieces = folder, names, digest, pieces
        self._digest, self._bytes, self._files, self.received = hashlib.sha256(), 0, 0, 0
        self._path, self._size, self._hash = "", 0, hashlib.sha256()
        self._file: IO[bytes] | None = None

    @property
    def wanted_first(self) -> range:
        """The numbers of the pieces to request first."""
        return range(min(AHEAD, self.pieces))

    def add(self, number: int, path: str, data: str) -> int | None:
        """Writes the next piece. Returns the number of the piece to request next, if any.

        Raises BundleError unless the piece follows the last one, and OSError.
        """
        content = base64.b64decode(data)
        self._check(number, path, len(content))
        if path != self._path:
            self._start_file(path)
        assert self._file is not None
        self._file.write(content)
        self._hash.update(content)
        self._size += len(content)
        self._bytes += len(content)
        self.received += 1
        return number + AHEAD if number + AHEAD < self.pieces else None

    def is_complete(self) -> bool:
        """Whether every piece has arrived. Raises BundleError when the files differ from what was offered, and
        OSError."""
        if self.received < self.pieces:
            return False
        self._end_file()
        if self._digest.hexdigest() != self._expected:
            raise BundleError("The files were changed during the transfer.")
        return True

    def move_into(self, folder: Path, note: Callable[[str], None]) -> None:
        """Replaces the files in `folder` with the received ones, in the order of the names. Raises OSError.

        `note` gets a sentence about each file that received another name because a program has the old file open.
        """
        for name in self._names:
            new, old = self.folder / name, folder / name
            if new.is_dir():
                remove(old)
            if new.exists():
                put_in_place(new, old, note)
        self.drop()

    def drop(self) -> None:
        """Discards everything that was received."""
        if self._file:
            self._file.close()
        remove(self.folder)

    def _check(self, number: int, path: str, size: int) -> None:
        if number != self.received or number >= self.pieces:
            raise BundleError("Piece {number} arrived instead of piece {come} of {pieces}.").about(
                number=number, come=self.received, pieces=self.pieces
            )
        if path.partition("/")[0] not in self._names or path < self._path or not is_relative_path(path):
            raise BundleError("The file {path} was not expected.").about(path=repr(path[:80]))
        self._files += path != self._path
        if self._files > MAX_FILES or self._bytes + size > MAX_BYTES:
            raise BundleError("More than {most_files} files or {most_bytes} GiB arrived.").about(
                most_files=MAX_FILES, most_bytes=MAX_BYTES >> 30
            )

    def _start_file(self, path: str) -> None:
        self._end_file()
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        # On Windows and macOS two names that differ only in case are one file: opening the second one fails.
        self._path, self._size, self._hash = path, 0, hashlib.sha256()
        self._file = target.open("xb")

    def _end_file(self) -> None:
        if self._file:
            self._file.close()
            self._file = None
            self._digest.update(_digest_line(self._path, self._size, self._hash.hexdigest()))


def check_pictures(folder: Path) -> None:
    """Raises BundleError for a PNG in the folder that is too large to display, and OSError."""
    for path in folder.glob("*.png"):
        with open_regular(path) as file:
            size = picture_size(file.read(24))
        if size and size[0] * size[1] > MAX_PIXELS:
            raise BundleError("The picture {path} is too large to display ({width} x {height}).").about(
                path=path.name, width=size[0], height=size[1]
            )


def _paths(folder: Path, name: str) -> Iterator[str]:
    """Yields the relative paths of the files. Raises BundleError for links, and for names that not every system
    accepts."""
    top = folder / name
    for path in [top, *(top.rglob("*") if top.is_dir() else [])]:
        relative = path.relative_to(folder).as_posix()
        if "/." in relative:  # files of the operating system, such as .DS_Store
            continue
        if is_link(path):
            raise BundleError("{path} is a link, which cannot be sent. Put the file itself there.").about(path=path)
        if path.is_file():
            if not is_relative_path(relative):
                raise BundleError("{path} cannot be sent: use only A-Z, a-z, 0-9, _, - and . in its name.").about(
                    path=path
                )
            yield relative


def _pieces(size: int) -> int:
    return max(1, -(-size // PIECE_BYTES))


def _digest_line(path: str, size: int, sha256: str) -> bytes:
    return f"{sha256} {size} {path}\n".encode("ascii")
