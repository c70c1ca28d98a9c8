"""Splits a byte stream into lines of bounded length. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator

MAX_BYTES = 2**20


class Lines:
    """Collects chunks of a byte stream. Bytes after the last newline wait for the next chunk."""

    def __init__(self, most: int = MAX_BYTES):
        self._most, self._partial, self._too_long = most, bytearray(), False

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """Yields the lines that are now complete, without their newlines. None stands for a line that was too long."""
        *ends, partial = data.split(b"\n")
        for end in ends:
            self._add(end)
            yield None if self._too_long else bytes(self._partial)
            self._partial.clear()
            self._too_long = False
        self._add(partial)

    def _add(self, part: bytes) -> None:
        """Does not keep a line that grows too long, so that nobody can fill the memory with it."""
        self._too_long = self._too_long or len(self._partial) + len(part) > self._most
        if self._too_long:
            self._partial.clear()
        else:
            self._partial += part
