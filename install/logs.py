"""Logs of pip and other programs. Their size is limited by keeping the beginning and the end."""

from __future__ import annotations

from pathlib import Path

MAX_BYTES = 4 * 2**20
KEPT = 2**20  # bytes of the beginning, and the same of the end
LEFT_OUT = b"\n[Here a part of this log was left out, because it grew too long.]\n"


def append(log: Path, text: str) -> None:
    """Appends text to the log immediately, so that it survives a kill. Raises OSError."""
    with log.open("ab") as file:
        file.write(text.encode("utf-8", "backslashreplace"))
        size = file.tell()
    if size > MAX_BYTES:
        shorten(log)


def shorten(log: Path) -> None:
    """Removes the middle of a log that exceeds MAX_BYTES and notes that. An interruption never loses the end. Raises
    OSError."""
    with log.open("r+b") as file:
        size = file.seek(0, 2)
        if size <= MAX_BYTES:
            return
        file.seek(size - KEPT)
        end = file.read()
        file.seek(KEPT)
        file.write(LEFT_OUT + end)
        file.truncate()


def last_lines(log: Path, count: int) -> list[str]:
    """The last lines of a log, reading at most KEPT bytes. Empty when there is no log. Raises OSError."""
    if not log.is_file():
        return []
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - KEPT))
        return file.read().decode("utf-8", "replace").splitlines()[-count:]
