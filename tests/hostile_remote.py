"""A hostile worker on another machine: accepts a job normally, then does what its argument names.

`python -m tests.hostile_remote TRICK` replaces `ssh machine motionclone-backend serve`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from backend.job_folder.version import version
from backend.wire import messages
from backend.wire.encoding import PIECE_BYTES, encode, parse
from backend.wire.lines import Lines

FLOOD = int(os.environ.get("FLOOD", "300000"))  # messages
OVER = "The trick is over."
ANSI = "\x1b]0;owned\x07\x1b[2J\u202e\u2066fdp.exe\u200f"


def tell(message: Any) -> None:
    write(encode(message))


def write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def heard() -> Iterator[Any]:
    lines = Lines()
    while data := os.read(0, 65536):
        for line in lines.feed(data):
            yield parse(line, messages.TO_WORKER)


def piece(job: str, file: str, data: bytes, number: int = 0) -> messages.Piece:
    return messages.Piece(job, number, file, base64.b64encode(data).decode())


def png(width: int, height: int, size: int = 0) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(9))), (b"tEXt", bytes(size)), (b"IEND", b"")]
    data = b"".join(
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part)) for kind, part in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + data


def offer(job: str, files: dict[str, bytes]) -> None:
    """Sends results like an honest worker."""
    digest, pieces = hashlib.sha256(), [piece(job, file, files[file], n) for n, file in enumerate(sorted(files))]
    for file in sorted(files):
        digest.update(f"{hashlib.sha256(files[file]).hexdigest()} {len(files[file])} {file}\n".encode())
    tell(messages.Offer(job, digest.hexdigest(), len(pieces)))
    tell(messages.Done(job))
    for one in pieces:
        tell(one)


# The tricks. Each gets the job's name.


def previews(job: str) -> None:
    """Megabytes of them, 500 unless FLOOD says otherwise, under ever new names and the usual one."""
    data = png(64, 64, PIECE_BYTES - 200)
    for number in range(FLOOD // 150):
        file = "preview/strip.png" if number % 2 else f"preview/{number}.png"
        tell(piece(job, file, data))
        tell(messages.Preview(job, number, file))


def strange_previews(job: str) -> None:
    """Pictures that would fill the memory when shown, a file that is not a picture, and one of the user's own files."""
    for data in (png(30_000, 30_000), b"GIF89a", b""):
        tell(piece(job, "preview/strip.png", data))
    tell(messages.Preview(job, 1, "blender.json"))
    tell(messages.Preview(job, 1, "reference/0000.png"))


def offers(job: str) -> None:
    for number in range(300):
        tell(messages.Offer(job, f"{number:064x}", 4))


def huge_offer(job: str) -> None:
    tell(messages.Offer(job, "0" * 64, 2**53))
    for number in range(100_000):
        tell(piece(job, "log.txt", b"", number))


def words(job: str) -> None:
    """Long text with terminal control sequences and marks that change the writing direction."""
    tell(messages.Hello(messages.PROTOCOL, ANSI + "1", ANSI + "GPU"))
    tell(messages.Progress(job, ANSI + "sampling", 1, 2))
    tell(messages.Refused(ANSI + "no", job))
    os.write(2, f"{ANSI} last words\n".encode() * 10)
    tell(messages.Failed(job, ANSI + "x" * 500_000, ANSI + "hint"))


def progress_flood(job: str) -> None:
    line = encode(messages.Progress(job, "sampling", 1, 2)) * 100
    for _ in range(FLOOD // 100):
        write(line)


def refusal_flood(job: str) -> None:
    line = encode(messages.Refused("no", job)) * 100
    for _ in range(FLOOD // 100):
        write(line)


def name_flood(job: str) -> None:
    for number in range(FLOOD):
        tell(messages.Progress(f"job-{number}", "sampling", 1, 2))


def wants(job: str) -> None:
    """Requests the same piece repeatedly without reading."""
    line = encode(messages.Want(job, 0)) * 100
    for _ in range(1000):
        write(line)


def wants_backwards(job: str) -> None:
    tell(messages.Want(job, 10**6))


def huge_result(job: str) -> None:
    offer(job, {"result/0000.png": png(30_000, 30_000), "result.json": b"{}"})


def foreign_result(job: str) -> None:
    offer(job, {"blender.json": b"{}", "result.json": b"{}"})


def deep_line(_: str) -> None:
    write(b'{"kind":' + b"[" * 900_000 + b"\n")


def endless_line(_: str) -> None:
    for _ in range(2000):
        write(b"x" * 65536)
    write(b"\n")


def stderr_flood(_: str) -> None:
    for _ in range(3000):
        os.write(2, b"\x1b[2J" + b"x" * 65530)
    os._exit(3)


TRICKS: dict[str, Callable[[str], None]] = {
    name: value
    for name, value in globals().items()
    if callable(value) and getattr(value, "__module__", "") == __name__ and name not in ("tell", "write", "heard")
}
for _helper in ("piece", "png", "offer"):
    TRICKS.pop(_helper)


def main(trick: str) -> None:
    tell(messages.Hello(messages.PROTOCOL, version()))
    for message in heard():
        if isinstance(message, messages.Offer):
            for number in range(min(2, message.pieces)):
                tell(messages.Want(message.job, number))
        elif isinstance(message, messages.Piece):
            if trick.startswith("want"):
                TRICKS[trick](message.job)
            tell(messages.Queued(message.job, 0))
            TRICKS[trick](message.job)
            tell(messages.Failed(message.job, OVER))  # so that whoever listens need not wait whether more comes
        elif isinstance(message, messages.Cancel):
            tell(messages.Cancelled(message.job))


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print(json.dumps(sorted(TRICKS)))
    else:
        main(sys.argv[1])
