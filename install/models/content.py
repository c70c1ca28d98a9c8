"""What a file's content is, and whether it is the expected one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

BLOCK = 8 << 20  # bytes read at once: large enough for speed, small enough for progress and to be stopped in between


@dataclass(frozen=True)
class Content:
    """What a file must be. sha256: of its bytes; git: the name that git gives it, which is what the hub says of small
    files; one of them may be "". size: in bytes."""

    size: int
    sha256: str = ""
    git: str = ""


def named_by(etag: str, size: int) -> Content | None:
    """What the hub's etag says: a large file's is its SHA-256, a small one's is git's. None when it is neither."""
    if re.fullmatch(r"[0-9a-f]{64}", etag):
        return Content(size, sha256=etag)
    return Content(size, git=etag) if re.fullmatch(r"[0-9a-f]{40}", etag) else None


def sha256_of(path: Path, on_bytes: Callable[[int], None] = lambda count: None) -> str:
    """on_bytes: told how many more bytes have been read."""
    return _digest(path, hashlib.sha256(), on_bytes)


def matches(path: Path, expected: Content, on_bytes: Callable[[int], None] = lambda count: None) -> bool:
    """Whether the file has exactly this content. False for one that cannot be read."""
    try:
        if path.stat().st_size != expected.size:
            return False
        if expected.sha256:
            return sha256_of(path, on_bytes) == expected.sha256
        start = hashlib.sha1(b"blob %d\0" % expected.size, usedforsecurity=False)
        return bool(expected.git) and _digest(path, start, on_bytes) == expected.git
    except OSError:
        return False


def _digest(path: Path, digest: hashlib._Hash, on_bytes: Callable[[int], None]) -> str:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            on_bytes(len(block))
    return digest.hexdigest()
