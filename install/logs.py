"""Logs of what pip and other programs say: bounded, with their beginning and their end."""

from __future__ import annotations

from pathlib import Path

MOST_BYTES = 4 * 2**20
KEPT = 2**20  # bytes of the beginning, and as many of the end
LEFT_OUT = b"\n[Here a part of this log was left out, because it grew too long.]\n"


def append(log: Path, text: str) -> None:
    """Writes it at the log's end, at once: after a kill it is all there is. OSError."""
    with log.open("ab") as file:
        file.write(text.encode("utf-8", "backslashreplace"))
        size = file.tell()
    if size > MOST_BYTES:
        shorten(log)


def shorten(log: Path) -> None:
    """Takes out of a log beyond MOST_BYTES what lies between its beginning and its end, and says so there. Whenever
    this is killed, the log's last words are in it. OSError."""
    with log.open("r+b") as file:
        size = file.seek(0, 2)
        if size <= MOST_BYTES:
            return
        file.seek(size - KEPT)
        end = file.read()
        file.seek(KEPT)
        file.write(LEFT_OUT + end)
        file.truncate()


def last_lines(log: Path, count: int) -> list[str]:
    """The last lines, without reading more than KEPT bytes; none where there is no log. OSError."""
    if not log.is_file():
        return []
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - KEPT))
        return file.read().decode("utf-8", "replace").splitlines()[-count:]
