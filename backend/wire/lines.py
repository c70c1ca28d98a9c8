"""Bytes from a pipe to lines, with a limit. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator

MOST_BYTES = 2**20


class Lines:
    """Feed it what a pipe gives, in any pieces. What follows the last newline waits for its own."""

    def __init__(self, most: int = MOST_BYTES):
        self._most, self._begun, self._too_long = most, bytearray(), False

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """The lines that are now complete, without their newlines; None for one of more than `most` bytes."""
        *ends, begun = data.split(b"\n")
        for end in ends:
            self._add(end)
            yield None if self._too_long else bytes(self._begun)
            self._begun.clear()
            self._too_long = False
        self._add(begun)

    def _add(self, part: bytes) -> None:
        """A line that grows too long is not kept: nobody can fill the memory with it."""
        self._too_long = self._too_long or len(self._begun) + len(part) > self._most
        if self._too_long:
            self._begun.clear()
        else:
            self._begun += part
